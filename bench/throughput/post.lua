-- The same POST again and again, as wrk sends it.
wrk.method = "POST"
wrk.path = "/photos/in/0000000.jpg?x-oss-process"
wrk.body = "x-oss-process=image/resize,w_100|sys/saveas,o_c21hbGwvaW4vMDAwMDAwMC5qcGc,b_cmVuZGl0aW9ucw"

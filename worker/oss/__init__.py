"""The wire of OSS: names, process strings, signing, requests and answers. Pure: no I/O, no clock, no randomness."""

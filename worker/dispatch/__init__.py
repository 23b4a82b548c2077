"""Fan-out: throttle, sign, send, judge, retry, and the consumers that keep `concurrency` tasks in flight."""

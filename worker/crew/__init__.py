"""The crew: the child processes that share the tasks of one run, so that all cores work."""

"""The command line: the commands, and how they end.

Each command imports what it needs when it is called: `--help` and a wrong option do not wait for an HTTP client.
"""

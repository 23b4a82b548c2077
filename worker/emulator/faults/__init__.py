"""Faults on demand: what goes wrong, for which requests and when; and how the server lets it happen."""

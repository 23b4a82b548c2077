"""Credentials: where access keys come from, and how a long run keeps one that is valid."""

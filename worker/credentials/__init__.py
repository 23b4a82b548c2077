"""Credentials: where access keys come from."""

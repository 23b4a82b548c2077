"""The results log: written in segments, read as a union."""

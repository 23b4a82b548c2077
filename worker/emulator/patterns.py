"""Patterns with `*` for any text and `?` for any character, in policies and in rules of faults."""

import re


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits; letter case counts, and no other character has a meaning."""
    parts = (".*" if character == "*" else "." if character == "?" else re.escape(character) for character in pattern)
    # Several `*` side by side mean one; left as they are they would make a long text slow to refuse.
    return re.fullmatch(re.sub(r"(?:\.\*)+", ".*", "".join(parts)), text, re.DOTALL) is not None

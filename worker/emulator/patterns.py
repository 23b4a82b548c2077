"""Patterns with `*` for any text and `?` for any character, in policies and in rules of faults."""

import re


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits; letter case counts, and no other character has a meaning."""
    first, *others = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if not others:
        return re.fullmatch(first, text, re.DOTALL) is not None
    *middle, last = others
    # What lies between two `*` is taken where it is found first and never elsewhere (an atomic group): trying every
    # place would take for ever with many `*`, and finds nothing more.
    return re.fullmatch(f"{first}{''.join(f'(?>.*?{part})' for part in middle)}.*{last}", text, re.DOTALL) is not None

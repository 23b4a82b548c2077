"""YAML syntax errors in plain English."""

from collections.abc import Sequence

import yaml

QUOTE_STAR = "put a text that begins with '*' or '&' in quotes"
_SPACES = "indent with spaces"
# By words of the parser's own message. The third column: the place to show is where the unfinished thing begins.
_EXPLANATIONS = (
    ("mapping values are not allowed", "a ': ' where no key can stand", "put a value that holds ': ' in quotes", False),
    ("',' or ']'", "this list is not closed by ']'", "add the ']', and quotes around values that hold brackets", True),
    ("',' or '}'", "this mapping is not closed by '}'", "add the '}', and quotes around values that hold braces", True),
    ("unexpected end of stream", "this quote is never closed", "close it", True),
    ("alphabetic or numeric", "'*' and '&' are not plain text at the beginning of a value", QUOTE_STAR, False),
    ("escape character", "an unknown escape in double quotes", r"write \\ for '\', or use single quotes", False),
    ("hexdecimal number", "an unfinished escape in double quotes", r"write \\ for '\', or use single quotes", False),
    ("block sequence entries", "a list cannot begin on the line of its key", "begin it on the next line", False),
    ("'-' indicator", "a list goes on without '- '", "begin every item with '- ', all indented alike", False),
    ("expected ':'", "a key without ': '", "write `key: value`", True),
    ("tab character", "a tab where YAML needs spaces", _SPACES, False),
    ("node content", "a value is missing, or cannot begin like this", "write a value, or put it in quotes", False),
    (
        "expected key",
        "neither a key, nor part of the value before it",
        "indent the keys of one mapping alike; quote the whole of a value that begins with '{', '[' or a quote",
        False,
    ),
)


def explain(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> tuple[str, str, int, int]:
    """Reason, mend, line and column (from 1) of a syntax error."""
    message = error.problem or "unreadable"
    mark = error.problem_mark
    if "cannot start any token" in message and mark:
        character = lines[mark.line][mark.column]
        if character == "\t":
            return "a tab where YAML needs spaces", _SPACES, mark.line + 1, mark.column + 1
        reason = f"a value cannot begin with {character!r}"
        return reason, "put the value in quotes", mark.line + 1, mark.column + 1
    for words, reason, mend, at_context in _EXPLANATIONS:
        if words in message:
            shown = error.context_mark if at_context else mark
            return reason, mend, *_position(shown)
    return f"not YAML: {message}", "see https://yaml.org/spec/1.1/", *_position(mark)


def _position(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)

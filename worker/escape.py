"""Escaping for terminals and logs: what came from outside cannot move the cursor or forge a line."""

import re

# C0 and C1 controls, line and paragraph separators, and the marks that turn the direction of text around; what has no
# width, too, for two keys that differ in nothing else would look the same.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def escape(text: str) -> str:
    r"""The text on one line, with everything that is not plainly visible written as `\xNN` or `\uNNNN`."""
    return _UNSAFE.sub(_written_out, text)


def escape_json(text: str) -> str:
    r"""A JSON document that says the same, with what is not plainly visible in its texts written as `\uNNNN`."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def _written_out(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"

"""The preflight of a job in words: a line for each check, and the mend of what is not right."""

from worker.errors import Exit
from worker.escape import escape
from worker.summary import Preflight

_WORDS = {
    Exit.OK: "Ready to run.",
    Exit.USAGE: "Not ready: mend what is wrong, and check again.",
    Exit.REFUSED: "Not ready: these credentials lack a right, or are refused.",
}
_MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
_NAME_WIDTH = 11


def describe_preflight(preflight: Preflight) -> str:
    """A line for each check."""
    lines = [f"Preflight of {preflight.job}"]
    for check in preflight.checks:
        lines.append(f"  {_MARKS[check.status]}  {check.name:<{_NAME_WIDTH}}  {escape(check.message)}")
        if check.mend and check.status != "ok":
            lines.append(f"{'':<{_NAME_WIDTH + 11}}mend: {escape(check.mend)}")
    lines.append(f"{_WORDS[preflight.exit]}  (exit {int(preflight.exit)})")
    return "\n".join(lines)

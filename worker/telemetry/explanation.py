"""Explanations: what a code of the service, of the worker or of an exit means, and what to do."""

from dataclasses import dataclass

from worker.errors import Exit
from worker.oss.codes import CODES, Remedy
from worker.telemetry.table import table

_EXITS = {
    Exit.OK: ("Everything of this run is saved, or was.", "Nothing."),
    Exit.UNEXPECTED: (
        "The program failed in a way nobody foresaw.",
        "Please report it, with the log. Running again is safe.",
    ),
    Exit.FAILED: (
        "The run finished; some tasks failed for good.",
        "Mend what the errors name (`oss-saveas report JOB` shows them all); then run `retry`.",
    ),
    Exit.STOPPED: (
        "The service could not be reached until the deadline, or too much went wrong.",
        "Check the endpoint and the network; then run again, the run goes on where it was.",
    ),
    Exit.UNFINISHED: (
        "--max-duration or --limit was reached with work left.",
        "Run again: the run goes on where it was.",
    ),
    Exit.USAGE: ("Usage, settings or manifest are wrong; nothing was sent.", "Mend the places that the message names."),
    Exit.NOTHING_SELECTED: (
        "A source entry selected nothing; the other entries were done.",
        "Correct the entry, or say `empty: ok` where that is normal.",
    ),
    Exit.RESULTS: (
        "The results log could not be written. What was not recorded will be done again.",
        "Free the disk, or make the results directory writable; then run again.",
    ),
    Exit.INTERRUPTED: (
        "SIGTERM or SIGINT came; what was on its way is recorded.",
        "Run again: the run goes on where it was.",
    ),
    Exit.REFUSED: (
        "The service refuses these credentials, or what they ask for; nothing was saved.",
        "Check the access key; allow oss:GetObject and oss:PostProcessTask on sources, oss:PutObject on targets.",
    ),
}
_REMEDIES = {
    Remedy.NONE: "never: the same would happen again; after the mend, `retry`, or a changed picture or recipe",
    Remedy.RETRY: "yes, up to retry.max_attempts",
    Remedy.WAIT: "yes, until retry.task_deadline_s; such attempts do not count",
    Remedy.FREE: "yes, once without counting",
    Remedy.CLOCK: "once, with the clock corrected",
    Remedy.REFRESH: "once, with fresh credentials",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code with its cause and mend; `retried` says whether the worker tries again, empty for exit codes."""

    code: str
    cause: str
    mend: str
    retried: str

    def __str__(self) -> str:
        rows = [("cause", self.cause), ("mend", self.mend), ("retried", self.retried)]
        return f"{self.code}\n" + table(row for row in rows if row[1])


def explanation(code: str) -> Explanation | None:
    """What is known about a code, letter case aside; None if nothing is."""
    if code.isascii() and code.isdigit():
        found = _EXITS.get(Exit(int(code))) if int(code) in set(Exit) else None
        return Explanation(f"exit {code}", *found, retried="") if found else None
    name = {known.lower(): known for known in CODES}.get(code.lower())
    if name is None:
        return None
    known = CODES[name]
    return Explanation(name, known.cause, known.mend, _REMEDIES[known.remedy])

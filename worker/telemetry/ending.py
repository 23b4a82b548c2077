"""The ending of a run in words."""

from collections.abc import Sequence

from worker.errors import Exit
from worker.summary import Summary
from worker.telemetry.table import counts, size, table

_WORDS = {
    Exit.OK: "Complete: every task of this run is saved, or was.",
    Exit.UNEXPECTED: "Unexpected error, or the counts do not add up. Unless a note tells why, please report it. "
    "Running again is safe.",
    Exit.FAILED: "Finished, but some tasks failed for good.",
    Exit.STOPPED: "Stopped: the service could not be reached, or too much went wrong.",
    Exit.UNFINISHED: "Unfinished: the time or the number of tasks allowed was used up. The next run goes on.",
    Exit.NOTHING_SELECTED: "Finished, but a source entry selected nothing.",
    Exit.RESULTS: "Results could not be written; what is not recorded will be done again.",
    Exit.INTERRUPTED: "Interrupted: what was on its way is recorded. The next run goes on.",
    Exit.REFUSED: "The service refuses these credentials, or what they ask for.",
    Exit.USAGE: "Stopped: the sources are not what the manifest says.",
}
_ACCEPTED = "Finished: some tasks failed, no more than `failure.accept` allows."
_NOTHING_TO_RETRY = "Nothing to retry: no task of this manifest is known to have failed so."


def describe_ending(summary: Summary, results: str, pictures: Sequence[str]) -> str:
    """The summary of a run; `results` is where its lines are, `pictures` where a local run put what it saved."""
    rows: list[tuple[str, object]] = [
        ("planned", _planned(summary)),
        ("saved", f"{summary.saved}" + (f"  ({size(summary.target_bytes)})" if summary.saved else "")),
        ("already saved", summary.already_saved),
        ("skipped", summary.skipped),
        ("failed", f"{summary.failed}" + (f"  ({summary.failed_before} before)" if summary.failed_before else "")),
        ("not attempted", summary.not_attempted),
        ("POSTs sent", summary.requests.get("POST", 0)),
        *([("PUTs sent", puts)] if (puts := summary.requests.get("PUT", 0)) else []),  # of relays, or of results
        *([("failed tries", counts(summary.tries.items()))] if summary.tries else []),
        ("endpoint", summary.endpoint),
        ("results", results),
    ]
    rows += [("pictures", path) for path in pictures]
    # What has no code is among the notes.
    if (error := summary.first_error) and "code" in error:
        rows.append(("first error", f"{error['code']}: {error['message']}\noss-saveas explain {error['code']}"))
    rows += [("note", note) for note in summary.notes]
    words = _words(summary)
    lines = [f"{words}  (exit {summary.exit})", table(rows)]
    if pictures:
        lines.append("This was a local run: nothing was sent to Alibaba Cloud OSS.")
    return "\n".join(lines)


def _words(summary: Summary) -> str:
    if summary.exit == Exit.OK and summary.failed:
        return _ACCEPTED
    if summary.exit == Exit.OK and summary.command == "retry" and not summary.planned:
        return _NOTHING_TO_RETRY
    return _WORDS[Exit(summary.exit)]


def _planned(summary: Summary) -> str:
    text = f"{summary.planned}" + ("" if summary.enumeration == "complete" else "  so far")
    if left_out := counts(sorted(summary.not_selected.items())):
        text += f"  (of {summary.listed} objects found, not selected: {left_out})"
    if summary.duplicates:
        text += f"  ({summary.duplicates} more were duplicates)"
    return text

"""A verification in words."""

from worker.errors import Exit
from worker.escape import escape
from worker.summary import Verification
from worker.telemetry.table import counts, table

_WORDS = {
    Exit.OK: "Verified: every recorded target is there as recorded.",
    Exit.FAILED: "Not everything is there as recorded.",
    Exit.STOPPED: "Stopped: the service could not be reached.",
    Exit.RESULTS: "The results could not be read or written; what is not recorded is found again by the next `verify`.",
    Exit.INTERRUPTED: "Interrupted: what was found is recorded.",
}
_NOT_ALL = "What was looked at is there as recorded, but that was not everything."


def describe_verification(found: Verification) -> str:
    """What `verify` has found."""
    words = _WORDS.get(Exit(found.exit), "Ended before everything was looked at.")
    if found.exit == Exit.OK and (found.pruned or found.found_before):
        words = _NOT_ALL
    rows: list[tuple[str, object]] = [
        ("job", found.job),
        ("recorded", f"{found.recorded} targets"),
        ("intact", found.intact),
        ("missing", found.missing),
        ("altered", found.altered),
    ]
    if found.found_before:
        rows.append(
            ("found before", f"{found.found_before} missing or altered, and not saved since: nobody asks again")
        )
    if found.unknown:
        rows.append(("unknown", f"{found.unknown} could not be looked at  ({counts(found.errors.items())})"))
    if found.pruned:
        rows.append(("not compared", f"{found.pruned}: their lines were pruned"))
    if found.not_asked:
        rows.append(("not asked", found.not_asked))
    rows += [("", f"{escape(sample['target'])}: {sample['found']}") for sample in found.samples]
    rows += [("note", note) for note in found.notes]
    lines = [f"{words}  (exit {found.exit})", table(rows)]
    if found.missing or found.altered:
        lines.append("These are recorded: the next `run` saves them again.")
    return "\n".join(lines)

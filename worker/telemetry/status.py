"""How a job stands, in words: the first line says what is the matter."""

from collections.abc import Sequence

from worker.batch.standing import COUNTS, JobStanding, RunStanding, ShardStanding, State
from worker.escape import escape
from worker.telemetry.table import counts, table

_MOST = 8  # numbers of shards that are told in a line


def describe_status(found: JobStanding) -> str:
    """What `status` says."""
    run = found.newest
    rows: list[tuple[str, object]] = [
        ("job", found.job),
        ("run", f"{run.run}  (started {run.started})"),
        ("counts", _counts(run)),
    ]
    rows += [(f"shard {shard.index}", _shard(shard)) for shard in run.shards]
    if any(found.damage.values()):
        rows.append(("damage", f"{counts(found.damage.items())}, as `verify` has found since: the next `run` mends it"))
    rows += [
        ("retry", f"{told.run}: {told.outcome} (exit {told.exit}), {told.saved} saved, {told.failed} failed")
        for told in found.retries
    ]
    if found.runs is not None:
        rows += [("runs" if number == 0 else "", _run(one)) for number, one in enumerate(found.runs)]
    return f"{escape(headline(found))}  (exit {found.exit})\n{table(rows)}"


def headline(found: JobStanding) -> str:
    """What is the matter, and what to do."""
    run = found.newest
    if found.state is State.DAMAGED:
        failed = f" {_failures(run)}, and" if run.state is State.FAILED else ""
        gone = counts(found.damage.items())
        return f"Damaged:{failed} `verify` has found targets not as recorded: {gone}. The next `run` saves them again."
    number = len(run.shards)
    whole = "its only shard" if number == 1 else f"all {number} shards"
    if len(run.manifests) > 1:
        return "Unfinished: the shards have run different manifests. Run all of them again with one."
    if len(run.settings) > 1:
        return "Unfinished: the shards have run with different settings. Run all of them again with the same."
    match run.state:
        case State.COMPLETE:
            accepted = run.counts["failed"]
            return f"Complete: {whole} finished" + (
                f", {accepted} failures are accepted." if accepted else ", nothing failed."
            )
        case State.FAILED:
            return f"Finished with failures: {whole} finished, {_failures(run)}."
        case _:
            said = [
                f"{what} {_names(run.of(state))}"
                for state, what in (
                    (State.ABSENT, "nothing is there of"),
                    (State.NO_END, "no end is recorded (going on, or killed) of"),
                    (State.UNFINISHED, "stopped with work left:"),
                )
                if run.of(state)
            ]
            return f"Unfinished: {'; '.join(said)}. The same command again goes on."


def _failures(run: RunStanding) -> str:
    if failed := run.counts["failed"]:
        errors = [shard.told.first_error for shard in run.shards if shard.told and shard.told.first_error]
        code = next((error["code"] for error in errors if "code" in error), None)
        return f"{failed} {'task' if failed == 1 else 'tasks'} failed" + (f", the first of {code}" if code else "")
    return "but a source entry selected nothing"


def _names(shards: Sequence[ShardStanding]) -> str:
    numbers = [str(shard.index) for shard in shards[:_MOST]]
    more = f" and {len(shards) - _MOST} more" if len(shards) > _MOST else ""
    return f"shard{'s' if len(shards) > 1 else ''} {', '.join(numbers)}{more}"


def _shard(shard: ShardStanding) -> str:
    parts: list[str] = [str(shard.state)]
    if told := shard.told:
        done = counts((name, getattr(told, name)) for name in COUNTS)
        parts.append(f"{told.outcome} (exit {told.exit}) at {told.ended}: {done or 'no tasks'}")
        if error := told.first_error:
            code = f"{error['code']}: " if "code" in error else ""
            parts.append(f"first error {code}{error['message']}")
    if trace := shard.trace:
        parts.append(
            f"process {trace.proc} since {trace.first_at}, last line {trace.last_at}: {counts(trace.lines.items())}"
        )
    return "; ".join(parts)


def _run(run: RunStanding) -> str:
    number = len(run.shards)
    return f"{run.started}  {run.run}  {run.state}, {number} shard{'s' if number > 1 else ''}: {_counts(run)}"


def _counts(run: RunStanding) -> str:
    """What the summaries of a run count: they may have counted nothing, or not be there."""
    nothing = "no tasks" if any(shard.told for shard in run.shards) else "no summary yet"
    return counts((name, run.counts[name]) for name in COUNTS) or nothing

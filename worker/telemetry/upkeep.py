"""Checkpoints and retention in words."""

from worker.summary import Compaction, Pruning
from worker.telemetry.table import size, table


def describe_compaction(done: Compaction) -> str:
    """What a compaction has come to."""
    title = f"Checkpoint {done.checkpoint} written." if done.new else "Nothing new to compact."
    rows: list[tuple[str, object]] = [("job", done.job), ("covers", f"{done.segments} segments, {done.lines} lines")]
    if done.quarantined:
        rows.append(("quarantined", f"{done.quarantined} lines"))
    return f"{title}\n{table(rows)}"


def describe_pruning(done: Pruning) -> str:
    """What pruning has come to."""
    rows: list[tuple[str, object]] = [
        ("job", done.job),
        ("deleted", f"{done.pruned_segments} segments of {done.pruned_runs} runs ({size(done.pruned_bytes)})"),
        ("kept", f"{done.kept_segments} segments of {done.kept_runs} runs, and all summaries"),
    ]
    return f"Pruned.\n{table(rows)}"

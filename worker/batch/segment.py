"""Files of a job by their names: `{run}/{i}-of-{n}.{proc}.{seq}.jsonl`, a segment, or `...summary.json`."""

import re
from dataclasses import dataclass
from math import gcd

from worker.batch.task import Shard

SUFFIX = ".jsonl"
SUMMARY = ".summary.json"
# Where derived files are, beside the runs.
CHECKPOINT = "checkpoint"
# What the segments of `verify` begin with in place of a shard: they are of no run.
VERIFICATION = "verify"
_SHARD = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})\.", re.ASCII)
_FILE = re.compile(_SHARD.pattern + r"([^.]+)(\.[0-9]+\.jsonl|\.summary\.json)", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a file tells that a process of a run has left: whose it is."""

    run: str
    shard: Shard
    proc: str
    is_summary: bool


def stem(run: str, shard: Shard, proc: str) -> str:
    """What the names of a process's files begin with, below the job's place."""
    return f"{run}/{shard.index}-of-{shard.count}.{proc}"


def file_name(name: str) -> FileName | None:
    """What a name below the job's place tells; None where no process of a run gives such names."""
    run, _, file = name.partition("/")
    match = _FILE.fullmatch(file)
    if match is None or run == CHECKPOINT:
        return None
    return FileName(run, Shard(int(match[1]), int(match[2])), match[3], match[4] == SUMMARY)


def is_segment(name: str) -> bool:
    """Whether a file of the job, by its name below the job's place, holds lines of the log."""
    run, _, file = name.partition("/")
    return run != CHECKPOINT and file.endswith(SUFFIX) and not file.startswith(".") and "/" not in file


def is_of_run(name: str) -> bool:
    """Whether a run or a retry has left a file: what `verify` has found is of none."""
    return run_of(name) != CHECKPOINT and _SHARD.match(name.partition("/")[2]) is not None


def is_of_verification(name: str) -> bool:
    """Whether a file is a segment of what `verify` has found."""
    return is_segment(name) and name.partition("/")[2].startswith(f"{VERIFICATION}.")


def run_of(name: str) -> str:
    """The run that a file belongs to."""
    return name.partition("/")[0]


def in_order(name: str) -> tuple[str, str, int]:
    """What segments are sorted by: run, process, and the number of the segment."""
    run, _, file = name.partition("/")
    stem, _, seq = file.removesuffix(SUFFIX).rpartition(".")
    return (run, stem, int(seq)) if seq.isascii() and seq.isdigit() else (run, file, 0)


def may_hold(name: str, shard: Shard) -> bool:
    """Whether a segment can hold lines of a shard: a process writes what belongs to its own shard only.

    Two shards share targets if and only if they agree modulo what their counts have in common.
    """
    match = _SHARD.match(name.partition("/")[2])
    if match is None or not int(match[2]):
        return True
    common = gcd(int(match[2]), shard.count)
    return int(match[1]) % common == shard.index % common

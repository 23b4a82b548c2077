"""Arguments of commands that are more than a word or a number, and reserved names of the environment."""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from worker.batch.task import Shard
from worker.errors import Exit, UsageError

Form = Literal["auto", "bar", "log", "none"]  # how progress is shown
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
# The first character keeps a run from being hidden, or from being taken for a flag.
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._-]*", re.ASCII)
_JOB = re.compile(r"[a-z0-9-]{1,47}", re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])", re.ASCII)
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_PROCESSES = 64
_CHECKPOINT = "checkpoint"  # its directory stands beside those of the runs


def shard(text: str | None, environ: Mapping[str, str]) -> Shard:
    """A shard from `I/N`, counted from 0; without one that of a pod of an Indexed Job, and all of the job elsewhere.

    Raises:
        UsageError: It is not one, or a pod does not know of how many it is one.
    """
    if text is None:
        return _shard_of_pod(environ.get("JOB_COMPLETION_INDEX", ""), environ.get("OSS_SAVEAS_SHARDS", ""))
    match = _SHARD.fullmatch(text)
    if match and int(match[1]) < int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise UsageError(f"--shard {text!r} is not a part of a whole", "write I/N, with I from 0 to N-1, such as 0/4")


def _shard_of_pod(index: str, count: str) -> Shard:
    # Kubernetes tells a pod its index, and not the Job's completions: a pod that guessed would leave shards undone.
    if not index and count in {"", "1"}:
        return Shard(0, 1)
    if not index:
        reason = f"OSS_SAVEAS_SHARDS is {count!r}, and nothing says which of them this is"
        raise UsageError(reason, "give --shard I/N, or set JOB_COMPLETION_INDEX, as an Indexed Job does")
    if not count:
        reason = f"JOB_COMPLETION_INDEX is {index!r}, and nothing says how many shards there are"
        raise UsageError(reason, "set OSS_SAVEAS_SHARDS to the completions of the Job, or give --shard I/N")
    match = _SHARD.fullmatch(f"{index}/{count}")
    if match and int(index) < int(count):
        return Shard(int(index), int(count))
    reason = f"JOB_COMPLETION_INDEX {index!r} of OSS_SAVEAS_SHARDS {count!r} is not a part of a whole"
    raise UsageError(reason, "set OSS_SAVEAS_SHARDS to the completions of the Job: indexes count from 0 to N-1")


def seconds(option: str, text: str) -> float:
    """A duration such as `90s`, `45m` or `2h`, that an option was given.

    Raises:
        UsageError: It is not one.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} {text!r} is not a duration", "write a number and s, m, h or d, such as 2h")
    return float(match[1]) * _UNIT_S[match[2]]


def exit_codes(text: str) -> frozenset[int]:
    """Exit codes from a list such as `3,5`.

    Raises:
        UsageError: One is not an exit code of this program.
    """
    known = {str(int(code)) for code in Exit}
    wrong = [part for part in text.split(",") if part.strip() and part.strip() not in known]
    if wrong:
        raise UsageError(
            f"--ok {wrong[0]!r} is not an exit code of a run", f"known: {', '.join(sorted(known, key=int))}"
        )
    return frozenset(int(part) for part in text.split(",") if part.strip())


def codes(text: str) -> frozenset[str]:
    """Error codes from a list such as `Timeout,NoSuchKey`: those of the worker, of the service, and `HttpNNN`.

    Raises:
        UsageError: One cannot be the code of a failure.
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    for part in found:
        if not _CODE.fullmatch(part):
            raise UsageError(
                f"--code {part!r} is not an error code", "write codes as the results log does: Timeout,Http404"
            )
    return frozenset(found)


def parallelism(environ: Mapping[str, str], part: Shard) -> int:
    """How many processes share the limits: `OSS_SAVEAS_PARALLELISM`, or else the number of shards.

    Raises:
        UsageError: It is not a number.
    """
    text = environ.get("OSS_SAVEAS_PARALLELISM", "")
    if not text:
        return part.count
    if text.isascii() and text.isdigit() and len(text) <= 6 and int(text) > 0:
        return int(text)
    raise UsageError(f"OSS_SAVEAS_PARALLELISM {text!r} is no number of pods", "write 1 to 999999: the pods at once")


def processes(text: str, cores: Callable[[], int]) -> int:
    """How many processes share the work: a number, or `auto` for one on each of the `cores` that can be used.

    Raises:
        UsageError: It is none.
    """
    if text == "auto":
        return min(cores(), _MOST_PROCESSES)
    if text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_PROCESSES:
        return int(text)
    raise UsageError(f"--processes {text!r} is not a number of processes", f"write 1 to {_MOST_PROCESSES}, or auto")


def job(name: str) -> str:
    """The name of a job, which is also that of a directory.

    Raises:
        UsageError: It cannot be one.
    """
    if _JOB.fullmatch(name):
        return name
    raise UsageError(f"{name!r} cannot name a job", "write its name, as in its manifest: 1 to 47 of a-z, 0-9 and '-'")


def run_name(environ: Mapping[str, str], now: datetime) -> str:
    """The name of this run: `OSS_SAVEAS_RUN`, or else its start and four random digits.

    Raises:
        UsageError: The name cannot be that of a directory.
    """
    name = environ.get("OSS_SAVEAS_RUN", "")
    if not name:
        return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    if _RUN.fullmatch(name) and name != _CHECKPOINT:
        return name
    mend = "use 1 to 128 letters, digits, '.', '_' and '-', beginning with a letter or digit"
    raise UsageError(f"OSS_SAVEAS_RUN {name!r} cannot name a run", mend)

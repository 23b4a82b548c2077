"""The summary of a run: its counts, how it ended, and the sentence that says so."""

from dataclasses import asdict, dataclass, field
from typing import Literal

from worker.batch.estimate import Estimate
from worker.errors import Exit, foremost
from worker.timeline import Event, Row

OUTCOMES = {
    Exit.OK: "complete",
    Exit.UNEXPECTED: "unexpected_error",
    Exit.FAILED: "failed",
    Exit.STOPPED: "stopped",
    Exit.UNFINISHED: "unfinished",
    Exit.USAGE: "usage",
    Exit.NOTHING_SELECTED: "nothing_selected",
    Exit.RESULTS: "results_unwritable",
    Exit.INTERRUPTED: "interrupted",
    Exit.REFUSED: "refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What `run --json` prints and the summary file holds. Bytes are those of sources read and targets written.

    planned = saved + already_saved + skipped + failed + not_attempted; `failed_before` is part of `failed`.
    `started` and `ended` are ISO 8601 in UTC. `command` is "run", or "retry": then only what had failed was planned.
    `processes` are the child processes whose lines are counted; none where `proc` did the work itself.
    `events` are what happened to the run as a whole, `timeline` what it was like over time.
    """

    schema: int = 1
    command: Literal["run", "retry"] = "run"
    job: str
    run: str
    shard: str
    proc: str
    outcome: str
    exit: int
    endpoint: str
    started: str
    ended: str
    enumeration: Literal["complete", "partial"]
    listed: int
    selected: int
    not_selected: dict[str, int]
    duplicates: int
    planned: int
    saved: int
    already_saved: int
    skipped: int
    failed: int
    failed_before: int
    not_attempted: int
    attempts: int
    tries: dict[str, int]
    requests: dict[str, int]
    source_bytes: int
    target_bytes: int
    manifest_digest: str
    settings_digest: str
    first_error: dict[str, object] | None
    processes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    timeline: list[Row] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """The summary as it is written."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run would do.

    `outcomes` counts tasks by pipeline (`worker.batch.outlook.Outlook`, or the code of a failure); `other_extensions`
    are the commonest among `not_an_image`; `orphans` are saved targets that no task writes any more, None where a
    window of time leaves sources out. `run_requests` are those of a run without retries, by the class of their billing.
    `requests` were sent for this forecast, by method, and `requests_by_class` the same by class. `samples` are requests
    as they would be sent, before signing; of a relay the GET, and `then` the PUT.
    """

    schema: int = 1
    job: str
    shard: str
    endpoint: str
    existing: str
    listed: int
    selected: int
    not_selected: dict[str, int]
    other_extensions: dict[str, int]
    duplicates: int
    planned: int
    outcomes: dict[str, dict[str, int]]
    orphans: int | None
    estimate: Estimate
    run_requests: dict[str, int]
    requests: dict[str, int]
    requests_by_class: dict[str, int]
    empty: list[str]
    notes: list[str]
    samples: list[dict[str, str]]

    def document(self) -> dict[str, object]:
        """The forecast as `--json` prints it: the estimate is no object of its own there."""
        found: dict[str, object] = asdict(self)
        del found["estimate"]
        return found | asdict(self.estimate)


Status = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a run needs. `no_right`: what is wrong is that these credentials are refused, or lack a right."""

    name: str
    status: Status
    message: str
    mend: str = ""
    no_right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was tried before a run, and how it went."""

    schema: int = 1
    job: str
    endpoint: str
    checks: list[Check]

    @property
    def exit(self) -> Exit:
        """How the command ends."""
        wrong = [check for check in self.checks if check.status == "wrong"]
        return foremost(Exit.REFUSED if check.no_right else Exit.USAGE for check in wrong)

    def document(self) -> dict[str, object]:
        """The preflight as `--json` prints it."""
        return asdict(self) | {"exit": int(self.exit)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` says. `recorded` targets are saved as the log says; of each the newest line is judged.

    recorded = intact + missing + altered + unknown + pruned + not_asked. `unknown` targets could not be looked at, in
    `errors` counted by code; of `pruned` ones no line is left that could be compared. `requests` counts by method.
    `found_before` are none of these: earlier verifications found them missing or altered, no run has saved them since.
    """

    schema: int = 1
    job: str
    run: str
    endpoint: str
    outcome: str
    exit: int
    recorded: int
    intact: int
    missing: int
    altered: int
    unknown: int
    errors: dict[str, int]
    pruned: int
    not_asked: int
    found_before: int
    requests: dict[str, int]
    samples: list[dict[str, str]]
    notes: list[str]

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What `compact` says: the number of the newest checkpoint, what it covers, and how many lines were set aside."""

    schema: int = 1
    job: str
    checkpoint: int
    new: bool
    segments: int
    lines: int
    quarantined: int

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What `prune` says: what was deleted, and what is kept."""

    schema: int = 1
    job: str
    pruned_runs: int
    pruned_segments: int
    pruned_bytes: int
    kept_runs: int
    kept_segments: int

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return asdict(self)

"""Standing: how a run stands, by what its processes have left, and what is the matter with it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from worker.batch.columns import Columns
from worker.batch.limits import Limits
from worker.batch.record import milliseconds
from worker.batch.task import Shard, shard_index
from worker.errors import Exit

COUNTS = ("planned", "saved", "already_saved", "skipped", "failed", "failed_before", "not_attempted")


class State(StrEnum):
    """How a shard stands: the first of these that any shard has is what is the matter with the run."""

    ABSENT = "absent"  # nobody has left anything of it
    NO_END = "no_end"  # lines, and no summary after them: a process goes on, or was killed
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"  # finished, but `verify` has found targets missing or altered since: of a job, not of a shard
    FAILED = "failed"  # finished, but for tasks that failed for good, or entries that selected nothing
    COMPLETE = "complete"


_STATE_OF = {Exit.OK: State.COMPLETE, Exit.FAILED: State.FAILED, Exit.NOTHING_SELECTED: State.FAILED}
_EXIT_OF = {State.COMPLETE: Exit.OK, State.FAILED: Exit.FAILED}


class Happened(msgspec.Struct, frozen=True):
    """What happened to a run as a whole (`worker.timeline.Event`)."""

    at: str
    event: str


class Stretch(msgspec.Struct, frozen=True):
    """Some seconds of a run, and the limits of a shard that were in force (`worker.timeline.Row`)."""

    at: str
    seconds: float = 0.0
    limits: Limits | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at in a summary (`worker.summary.Summary`)."""

    run: str
    shard: str
    proc: str
    processes: list[str] = []
    outcome: str
    exit: int
    started: str
    ended: str
    enumeration: str
    planned: int
    saved: int
    already_saved: int
    skipped: int
    failed: int
    failed_before: int
    not_attempted: int
    manifest_digest: str
    settings_digest: str
    first_error: dict[str, object] | None = None
    command: str = "run"
    endpoint: str = ""
    notes: list[str] = []
    events: list[Happened] = []
    timeline: list[Stretch] = []

    @property
    def state(self) -> State:
        """How it says that its shard stands."""
        if self.enumeration != "complete" or self.not_attempted:
            return State.UNFINISHED
        return _STATE_OF.get(Exit(self.exit), State.UNFINISHED) if self.exit in set(Exit) else State.UNFINISHED


def limits_over_time(told: Told) -> Columns:
    """The limits of a shard, in columns as wide as it tells them; those of all shards are a sum."""
    columns = Columns()
    for stretch in told.timeline:
        while columns.width_ms < stretch.seconds * 1000:
            columns.halve()
        if stretch.limits is not None:
            columns.at(milliseconds(stretch.at)).narrow(stretch.limits)
    return columns


@dataclass(slots=True)
class Trace:
    """What a process that no summary counts has left: when its lines were written, and how many of which status."""

    run: str
    shard: Shard
    proc: str
    first_at: str
    last_at: str
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardStanding:
    """A shard of a run: its newest summary, and what processes have left after it that it does not count."""

    index: int
    state: State
    told: Told | None
    trace: Trace | None

    @property
    def since(self) -> str:
        """When the process began that has last planned its tasks; empty where there is none."""
        return self.trace.first_at if self.trace else self.told.started if self.told else ""


@dataclass(frozen=True, slots=True)
class RunStanding:
    """A run; `shards` has all of them in their order."""

    run: str
    started: str
    shards: Sequence[ShardStanding]

    @property
    def state(self) -> State:
        """What is the matter: the worst state of a shard; shards of different manifests or settings are no whole."""
        states = [shard.state for shard in self.shards]
        if len(self.manifests) > 1 or len(self.settings) > 1:
            states.append(State.UNFINISHED)
        return min(states, key=list(State).index)

    @property
    def exit(self) -> Exit:
        """What the command `status` ends with, where nothing has happened to the targets since."""
        return _EXIT_OF.get(self.state, Exit.UNFINISHED)

    @property
    def manifests(self) -> set[str]:
        """The digests of what the shards have run; one, where all is well."""
        return {shard.told.manifest_digest for shard in self.shards if shard.told}

    @property
    def settings(self) -> set[str]:
        """The digests of the settings of the shards."""
        return {shard.told.settings_digest for shard in self.shards if shard.told}

    @property
    def counts(self) -> dict[str, int]:
        """The sums over the newest summaries of all shards."""
        told = [shard.told for shard in self.shards if shard.told]
        return {name: sum(getattr(one, name) for one in told) for name in COUNTS}

    @property
    def last_at(self) -> str:
        """When a process of it was last heard of."""
        told = [shard.told.ended for shard in self.shards if shard.told]
        return max([*told, *(shard.trace.last_at for shard in self.shards if shard.trace)])

    def since(self, digest: bytes) -> str:
        """When the process began that has last planned the target with this digest, or would have."""
        return self.shards[shard_index(digest, len(self.shards))].since or self.started

    def of(self, *states: State) -> list[ShardStanding]:
        """The shards that stand so."""
        return [shard for shard in self.shards if shard.state in states]


def run_standing(run: str, told: Collection[Told], traces: Collection[Trace]) -> RunStanding:
    """How a run stands by its summaries, and by the traces of processes that have left none; one of them at least.

    A run that was begun again with another number of shards is judged by the newer one.
    """
    begun = [(one.started, shard_of(one.shard)) for one in told] + [(one.first_at, one.shard) for one in traces]
    started, part = max(begun, key=lambda one: (one[0], one[1].count))
    shards = []
    for index in range(part.count):
        shard = Shard(index, part.count)
        mine = [one for one in told if shard_of(one.shard) == shard]
        newest = max(mine, key=lambda one: (one.started, one.ended), default=None)
        since = [one for one in traces if one.shard == shard and (newest is None or one.first_at > newest.started)]
        trace = _merged(since) if since else None
        state = State.NO_END if trace else newest.state if newest else State.ABSENT
        shards.append(ShardStanding(index, state, newest, trace))
    return RunStanding(run, started, shards)


def _merged(traces: Sequence[Trace]) -> Trace:
    """What several processes of a shard have left, as that of the one which wrote last."""
    newest = max(traces, key=lambda one: one.last_at)
    lines: Counter[str] = Counter()
    for one in traces:
        lines.update(one.lines)
    return replace(newest, first_at=min(one.first_at for one in traces), lines=dict(lines))


def shard_of(text: str) -> Shard:
    """A shard as summaries write it.

    Raises:
        ValueError: It is none.
    """
    index, _, count = text.partition("/")
    shard = Shard(int(index), int(count))
    if not 0 <= shard.index < shard.count:
        message = f"{text!r} is no shard"
        raise ValueError(message)
    return shard


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStanding:
    """What `status` says: of the newest run, of `retries` since it began, and of all runs where they were asked for.

    `damage` counts what `verify` has found of the newest run's targets since: the next run saves them again.
    """

    job: str
    newest: RunStanding
    damage: Mapping[str, int]
    retries: Sequence[Told]
    runs: Sequence[RunStanding] | None

    @property
    def state(self) -> State:
        """What is the matter with the job."""
        found = [self.newest.state, *([State.DAMAGED] if any(self.damage.values()) else [])]
        return min(found, key=list(State).index)

    @property
    def exit(self) -> Exit:
        """How the command ends."""
        return _EXIT_OF.get(self.state, Exit.UNFINISHED)

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        found: dict[str, object] = {"schema": 1, "job": self.job, **_summed(self.newest)}
        found |= {"state": self.state, "exit": int(self.exit), "damage": dict(self.damage)}
        found["shards"] = [_shard(shard) for shard in self.newest.shards]
        found["retries"] = [_retry(told) for told in self.retries]
        if self.runs is not None:
            found["runs"] = [_summed(run) for run in self.runs]
        return found


def _summed(run: RunStanding) -> dict[str, object]:
    return {
        "run": run.run,
        "state": run.state,
        "exit": int(run.exit),
        "started": run.started,
        "shard_states": {state: len(run.of(state)) for state in State if run.of(state)},
        **run.counts,
        "one_manifest": len(run.manifests) <= 1,
        "one_settings": len(run.settings) <= 1,
    }


def _shard(shard: ShardStanding) -> dict[str, object]:
    found: dict[str, object] = {"shard": shard.index, "state": shard.state}
    if shard.told:
        names = ("proc", "outcome", "exit", "started", "ended", "enumeration", *COUNTS, "first_error")
        found |= {name: getattr(shard.told, name) for name in names}
    if shard.trace:
        trace = shard.trace
        found["no_end"] = {"proc": trace.proc, "first": trace.first_at, "last": trace.last_at, "lines": trace.lines}
    return found


def _retry(told: Told) -> dict[str, object]:
    names = ("run", "shard", "outcome", "exit", "started", *COUNTS)
    return {name: getattr(told, name) for name in names}

"""The snapshot: how far a run is and what it may do, as its metrics and whoever watches it are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.batch.limits import Limits
from worker.batch.record import Record
from worker.timeline import Event


@dataclass(slots=True)
class PipelineCounts:
    """What became of a pipeline's tasks so far."""

    saved: int = 0
    already_saved: int = 0
    skipped: int = 0
    failed: int = 0

    def add(self, other: "PipelineCounts") -> None:
        """Take in the counts of others."""
        self.saved += other.saved
        self.already_saved += other.already_saved
        self.skipped += other.skipped
        self.failed += other.failed


@dataclass(slots=True)
class FailureCount:
    """How many tasks have failed with a code; the example is one of the first."""

    example: Record
    count: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """What is sent: `sent` requests so far, some of them `in_flight`; the limits of now, and the `most` of each.

    `held`: which limits have given way to the service, in words; `event`: what happened last to limits or service.
    """

    sent: int = 0
    in_flight: int = 0
    limits: Limits = field(default_factory=Limits)
    most: Limits = field(default_factory=Limits)
    held: Sequence[str] = ()
    event: Event | None = None
    paused: bool = False


def total_flow(flows: Sequence[Flow]) -> Flow:
    """That of several processes, each of which says what is held."""
    limits, most = Limits(), Limits()
    for flow in flows:
        limits, most = limits + flow.limits, most + flow.most
    return Flow(
        sent=sum(flow.sent for flow in flows),
        in_flight=sum(flow.in_flight for flow in flows),
        limits=limits,
        most=most,
        held=tuple(f"process {number}: {what}" for number, flow in enumerate(flows) for what in flow.held),
        event=max((flow.event for flow in flows if flow.event), key=lambda event: event.at, default=None),
        paused=any(flow.paused for flow in flows),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """How far one of several processes is with its part of the tasks."""

    planned: int
    done: int
    flow: Flow


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run is. `planned` counts what was enumerated so far; `total` is known once all was enumerated.

    `pipelines` has all of the manifest; `failures` are by code, the most frequent first; `parts` are the processes
    where there are several. The rest is as in the summary.
    """

    planned: int
    total: int | None
    saved: int
    already_saved: int
    skipped: int
    failed: int
    elapsed_s: float
    attempts: int = 0
    tries: Mapping[str, int] = field(default_factory=dict)
    source_bytes: int = 0
    target_bytes: int = 0
    flow: Flow = field(default_factory=Flow)
    pipelines: Mapping[str, PipelineCounts] = field(default_factory=dict)
    failures: Sequence[tuple[str, FailureCount]] = ()
    parts: Sequence[Part] = ()

    @property
    def done(self) -> int:
        """Tasks with an outcome."""
        return self.saved + self.already_saved + self.skipped + self.failed

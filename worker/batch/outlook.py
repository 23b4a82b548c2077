"""The outlook of a job: what would become of each of its tasks, and what that adds up to."""

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from posixpath import commonprefix

from worker.batch.digests import DigestSet
from worker.batch.history import History
from worker.batch.ledger import Ledger
from worker.batch.manifest import Existing
from worker.batch.task import Task
from worker.oss.names import ObjectRef

_SAMPLES = 3


class Outlook(StrEnum):
    """What would become of a task."""

    NEW = "new"  # this job has not written its target
    CHANGED_SOURCE = "changed_source"
    CHANGED_RECIPE = "changed_recipe"  # process or revision, perhaps the source as well
    CHANGED = "changed"  # one of these: the line that would tell which was pruned
    RETRY = "retry"  # the last attempt failed for a passing reason, or the target was found missing or altered
    UNKNOWN = "unknown"  # its target is saved; whether of the source as it is now, a run would ask
    ALREADY_SAVED = "already_saved"
    FAILED_BEFORE = "failed_before"  # for good: not sent again
    EXISTS = "exists"  # as new, but somebody else has written its target
    BAD_ROW = "bad_row"


SENT = frozenset({Outlook.NEW, Outlook.CHANGED_SOURCE, Outlook.CHANGED_RECIPE, Outlook.CHANGED, Outlook.RETRY})
_CHANGED = {True: Outlook.CHANGED_RECIPE, False: Outlook.CHANGED_SOURCE, None: Outlook.CHANGED}


def foresee(task: Task, target: bytes, etag: str | None, ledger: Ledger, history: History) -> Outlook:
    """What would become of a task with this target digest. `etag` is that of its source, None where nobody asked."""
    if not ledger.newest_ms(target):  # nothing is known of it, and no id needed to know that
        return Outlook.NEW
    saved_ms = ledger.saved_ms(target)
    if etag is None:
        return Outlook.UNKNOWN if saved_ms is not None else Outlook.RETRY if ledger.knows(target) else Outlook.NEW
    task_id = task.id(etag)
    if ledger.is_done(target, task_id):
        return Outlook.ALREADY_SAVED
    if ledger.failed_for_good(target, task_id):
        return Outlook.FAILED_BEFORE
    if saved_ms is not None:
        return _CHANGED[history.has_other_recipe(target, saved_ms, task, etag)]
    return Outlook.RETRY if ledger.knows(target) else Outlook.NEW


@dataclass(slots=True)
class PipelineOutlook:
    """What the outlooks of the tasks of one pipeline add up to.

    `outcomes` counts them, beside codes of failures that were met on the way. Bytes are those of sources that would be
    read, `sizes` how many of these are known; of sources of new targets apart, for an existing target may keep its own.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    new_prefixes: dict[str, str] = field(default_factory=dict)
    new_bytes: int = 0
    new_sizes: int = 0
    other_bytes: int = 0
    other_sizes: int = 0
    samples: list[tuple[bytes, Task]] = field(default_factory=list)

    def count(self, task: Task, target: bytes, outlook: Outlook, size: int | None) -> None:
        """Take in a task."""
        self.outcomes[outlook] += 1
        if outlook not in SENT:
            return
        self._sample(task, target)
        if outlook is not Outlook.NEW:
            self.other_bytes += size or 0
            self.other_sizes += size is not None
            return
        self.new_bytes += size or 0
        self.new_sizes += size is not None
        bucket, key = task.target.bucket, task.target.key
        known = self.new_prefixes.setdefault(bucket, key)
        if not key.startswith(known):
            self.new_prefixes[bucket] = commonprefix([known, key])

    def find(self, target: bytes, existing: Existing) -> None:
        """Take in that a new target is there already."""
        self.outcomes[Outlook.NEW] -= 1
        self.outcomes[Outlook.EXISTS] += 1
        if existing != "replace":
            self.samples = [sample for sample in self.samples if sample[0] != target]

    def sends(self, existing: Existing) -> int:
        """How many tasks would be sent."""
        return sum(self.outcomes[outlook] for outlook in SENT) + self._replaced(existing)

    def source_bytes(self, existing: Existing) -> tuple[float, int]:
        """The bytes of the sources of these, as far as they are known, and of how many they are.

        Of the sources of new targets that stay as they are, nobody kept the sizes: they count as the mean.
        """
        new, sent = self._all_new, self.outcomes[Outlook.NEW] + self._replaced(existing)
        share = sent / new if new else 0.0
        return self.new_bytes * share + self.other_bytes, round(self.new_sizes * share) + self.other_sizes

    @property
    def _all_new(self) -> int:
        return self.outcomes[Outlook.NEW] + self.outcomes[Outlook.EXISTS]

    def _replaced(self, existing: Existing) -> int:
        return self.outcomes[Outlook.EXISTS] if existing == "replace" else 0

    def _sample(self, task: Task, target: bytes) -> None:
        # The smallest digests are a fair sample, and the same one each time.
        if len(self.samples) < _SAMPLES or target < self.samples[-1][0]:
            insort(self.samples, (target, task), key=lambda sample: sample[0])
            del self.samples[_SAMPLES:]


@dataclass(slots=True)
class JobOutlook:
    """What the outlooks of all tasks add up to. `headless` counts sources whose etag a run has to ask for."""

    ledger: Ledger
    history: History
    existing: Existing
    pipelines: dict[str, PipelineOutlook] = field(default_factory=dict)
    planned: int = 0
    headless: int = 0
    _recorded: int = 0
    _failing: DigestSet = field(default_factory=DigestSet)
    _last_asked: ObjectRef | None = None

    def of(self, pipeline: str) -> PipelineOutlook:
        """The part of one pipeline."""
        found = self.pipelines.get(pipeline)
        if found is None:
            found = self.pipelines[pipeline] = PipelineOutlook()
        return found

    def take(self, task: Task, target: bytes, etag: str | None, size: int | None) -> None:
        """Take in a task; `etag` and `size` are those of its source, None where nobody knows."""
        self._meet(task, target)
        outlook = foresee(task, target, etag, self.ledger, self.history)
        if outlook is Outlook.FAILED_BEFORE:
            self._failing.add(target)
        self.of(task.pipeline).count(task, target, outlook, size)

    def take_failure(self, task: Task, target: bytes, code: str) -> None:
        """Take in a task that would fail without being sent, with the code of its failure."""
        self._meet(task, target)
        self._failing.add(target)
        self.of(task.pipeline).outcomes[code] += 1

    def take_bad_row(self, pipeline: str) -> None:
        """Take in a row that no task is made of."""
        self.planned += 1
        self.of(pipeline).outcomes[Outlook.BAD_ROW] += 1

    def find(self, target: bytes, pipeline: str) -> None:
        """Take in that a target of a pipeline exists: where it is a new one, somebody else has written it."""
        if not self.ledger.knows(target) and target not in self._failing:
            self.of(pipeline).find(target, self.existing)

    @property
    def orphans(self) -> int:
        """How many targets are saved that no task writes any more."""
        return self.ledger.saved - self._recorded

    @property
    def new_prefixes(self) -> set[ObjectRef]:
        """Buckets and key prefixes that all new targets lie below, none below another."""
        found = {
            ObjectRef(bucket, prefix)
            for pipeline in self.pipelines.values()
            for bucket, prefix in pipeline.new_prefixes.items()
        }
        return {one for one in found if not any(_is_below(one, other) for other in found)}

    @property
    def looks_up(self) -> int:
        """How many targets a run would look up before it sends anything."""
        if self.existing == "replace":
            return 0
        return sum(part.outcomes[Outlook.NEW] + part.outcomes[Outlook.EXISTS] for part in self.pipelines.values())

    def _meet(self, task: Task, target: bytes) -> None:
        self.planned += 1
        # Every task has a target of its own, so each saved target is met at most once.
        self._recorded += self.ledger.saved_ms(target) is not None
        if task.etag is None and task.source != self._last_asked:  # the tasks of a source follow one another
            self.headless += 1
            self._last_asked = task.source


def _is_below(one: ObjectRef, other: ObjectRef) -> bool:
    return one != other and one.bucket == other.bucket and one.key.startswith(other.key)

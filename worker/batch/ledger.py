"""The ledger: what the results log says about each target, by the one rule of the newest line."""

from collections.abc import Iterator

from worker.batch import fact
from worker.batch.record import Brief, Record
from worker.batch.task import Shard


class Ledger:
    """The state of every target of a shard, read from the lines of a job's log: 36 bytes each, in small tables.

    The rule: a task is done if and only if the newest line for its target, leaving out `skipped` and those `failed`
    whose every attempt was declined by an answer, is `saved` and carries its task id. Newest is the greatest time, then
    the rank of the segment, then the order of `add`. Where the newest line of all is one that is left out, it is kept
    beside the newest that counts, in 36 bytes more.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        # Bytes, not bytearrays: they hold no room in reserve, and a table is small enough to be written anew.
        self._tables: dict[int, bytes] = {}

    def __len__(self) -> int:
        targets = 0
        for table in self._tables.values():
            facts = fact.split(table)
            targets += len({one[:10] for one in facts if not fact.is_bad_row(one)})
        return targets

    @property
    def facts(self) -> int:
        """How many facts are held."""
        return sum(map(len, self._tables.values())) // fact.SIZE

    def add(self, line: Record | Brief, rank: int = 0) -> None:
        """Take in one line of the segment with this rank.

        Raises:
            ValueError: Its time or its task is none.
        """
        made = fact.fact_of(line, rank)
        if made is not None:
            digest, new = made
            if self._shard.count == 1 or self._shard.holds(digest) or fact.is_bad_row(new):
                number = fact.table_of(digest)
                self._tables[number] = fact.inserted(self._tables.get(number, b""), new)

    def load(self, number: int, table: bytes) -> None:
        """Take in a table of a checkpoint, before any line that it does not cover."""
        if self._shard.count > 1:
            facts = fact.split(table)
            table = b"".join(one for one in facts if fact.is_bad_row(one) or self._holds(number, one))
        self._tables[number] = table

    def tables(self) -> Iterator[tuple[int, bytes]]:
        """All tables, in the order of their numbers."""
        return iter(sorted(self._tables.items()))

    def is_done(self, target: bytes, task: bytes) -> bool:
        """Whether this task (its id) is what the target (its digest) holds."""
        facts = self._found(target)
        return bool(facts) and fact.is_saved(facts[: fact.SIZE], task)

    def failed_for_good(self, target: bytes, task: bytes) -> bool:
        """Whether the newest line for the target is a permanent failure of this very task."""
        facts = self._found(target)
        return bool(facts) and fact.is_final(facts[-fact.SIZE :], task)

    def has_failed(self, target: bytes) -> bool:
        """Whether the newest line for the target is a failure."""
        facts = self._found(target)
        return bool(facts) and fact.has_failed(facts[-fact.SIZE :])

    def newest_ms(self, target: bytes) -> int:
        """The time of the newest line for the target, in milliseconds since 1970; 0 where there is none."""
        facts = self._found(target)
        return fact.time_ms(facts[-fact.SIZE :]) if facts else 0

    def saved_ms(self, target: bytes) -> int | None:
        """The time of the line by which the target is saved, None where it is not there as far as the log knows."""
        facts = self._found(target)
        return fact.time_ms(facts) if facts and fact.is_any_saved(facts) else None

    def rests_on(self, target: bytes, task: bytes, at_ms: int) -> bool:
        """Whether the line by which the target is saved is that of this task and time."""
        facts = self._found(target)
        return bool(facts) and fact.is_saved(facts[: fact.SIZE], task) and fact.time_ms(facts) == at_ms

    @property
    def saved(self) -> int:
        """How many targets are saved."""
        return sum(fact.is_any_saved(one) for table in self._tables.values() for one in fact.split(table))

    def knows(self, target: bytes) -> bool:
        """Whether this job may have written the target before."""
        facts = self._found(target)
        return bool(facts) and fact.counts(facts[: fact.SIZE])

    def holds_bad_row(self, pipeline: str, key: str, message: str) -> bool:
        """Whether a line says of this row that it is bad: key, place and what is wrong make it the same row."""
        return bool(self._found(fact.bad_row_digest(pipeline, key, message)))

    def _found(self, digest: bytes) -> bytes:
        return fact.found(self._tables.get(fact.table_of(digest), b""), digest)

    def _holds(self, number: int, one: bytes) -> bool:
        return self._shard.holds(fact.digest_start(number, one))

"""The ledger: what the results log says about each target, by the one rule of the newest line."""

from collections.abc import Iterator

from worker.batch import fact
from worker.batch.task import Shard

# So much is gathered before a table is merged with it: going through the table costs no more for a dozen than for one.
_FRESH_BYTES = 14 * fact.SIZE


class Ledger:
    """The state of every target of a shard, read from the lines of a job's log: 36 bytes each, in small tables.

    The rule: a task is done if and only if the newest line for its target, leaving out `skipped` and those `failed`
    whose every attempt was declined by an answer, is `saved` and carries its task id. Newest is the greatest time, then
    the rank of the segment, then the order of `take`. Where the newest line of all is one that is left out, it is kept
    beside the newest that counts, in 36 bytes more.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        # Bytes, not bytearrays: they hold no room in reserve, and a table is small enough to be written anew.
        self._tables: dict[int, bytes] = {}
        # What came of each table since it was merged, line by line.
        self._fresh: dict[int, bytes] = {}

    def __bool__(self) -> bool:
        """Whether anything is held, without the count of it, which goes through all tables."""
        return bool(self._tables or self._fresh)

    def __len__(self) -> int:
        targets = 0
        for _, table in self.tables():
            facts = fact.split(table)
            targets += len({one[:10] for one in facts if not fact.is_bad_row(one)})
        return targets

    @property
    def facts(self) -> int:
        """How many facts are held, those included that a newer one will replace."""
        return (sum(map(len, self._tables.values())) + sum(map(len, self._fresh.values()))) // fact.SIZE

    def take(self, entries: bytes) -> None:
        """Take in what lines say, as `worker.batch.fact.entries_of` makes it for this shard."""
        get = self._fresh.get
        for number, new in fact.tables_of(entries):
            self._fresh[number] = fresh = get(number, b"") + new
            if len(fresh) >= _FRESH_BYTES:
                self._merged(number)

    def load(self, number: int, table: bytes) -> None:
        """Take in a table of a checkpoint, before any line that it does not cover."""
        if self.shard.count > 1:
            facts = fact.split(table)
            table = b"".join(one for one in facts if fact.is_bad_row(one) or self._holds(number, one))
        self._tables[number] = table

    def tables(self) -> Iterator[tuple[int, bytes]]:
        """All tables, in the order of their numbers."""
        for number in list(self._fresh):
            self._merged(number)
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
        return sum(fact.is_any_saved(one) for _, table in self.tables() for one in fact.split(table))

    @property
    def lost(self) -> int:
        """How many targets were found missing or altered, and have not been written since."""
        return sum(fact.is_lost(one) for _, table in self.tables() for one in fact.split(table))

    def knows(self, target: bytes) -> bool:
        """Whether this job may have written the target before."""
        facts = self._found(target)
        return bool(facts) and fact.counts(facts[: fact.SIZE])

    def holds_bad_row(self, pipeline: str, key: str, message: str) -> bool:
        """Whether a line says of this row that it is bad: key, place and what is wrong make it the same row."""
        return bool(self._found(fact.bad_row_digest(pipeline, key, message)))

    def _found(self, digest: bytes) -> bytes:
        return fact.found(self._merged(fact.table_of(digest)), digest)

    def _merged(self, number: int) -> bytes:
        """A table, with all that came of it."""
        table, fresh = self._tables.get(number, b""), self._fresh.pop(number, None)
        if fresh is not None:
            self._tables[number] = table = fact.merged(table, fresh)
        return table

    def _holds(self, number: int, one: bytes) -> bool:
        return self.shard.holds(fact.digest_start(number, one))

"""Facts: what one line of the log says of one target, in 36 bytes; and tables that keep the facts which still matter.

A fact is, one after the other: 10 bytes of the target's digest (the 2 before them choose the table), 6 bytes of time
in milliseconds since 1970, 3 bytes of rank, 16 bytes of the task, 1 byte of what was said. Time and rank, compared as
bytes, say which of two facts is newer; the rank is the place of the line's segment among all segments of the job.
On its way to its table a fact has the 2 bytes that choose it before it: that is an entry.

96 bits find a target. That two targets share them is not to be expected, and would be harmless: a task's id says what
its target is, too, so that no task would be taken for done, only done again.
"""

from collections.abc import Iterator
from struct import Struct

from worker.batch.record import BAD_ROW, Brief, Status, decode_brief, milliseconds, task_bytes
from worker.batch.task import Shard, target_digest, text_digest

SIZE = 36
MAX_RANK = (1 << 24) - 1

_TARGET = slice(0, 10)
_AGE = slice(10, 19)
_TIME = slice(10, 16)
_TASK = slice(19, 35)
_SAID = 35
_TABLE_BYTES = 2
_DIGEST = slice(_TABLE_BYTES, _TABLE_BYTES + 10)
_START = slice(_TABLE_BYTES + 10)
_entries = Struct(f">H{SIZE}s").iter_unpack

# By text: an enum is hashed in Python, at a cost that ten million lines feel.
_STATUS: dict[str, int] = {str(status): number for number, status in enumerate(Status)}
_SAVED, _SKIPPED, _FAILED = (_STATUS[str(status)] for status in (Status.SAVED, Status.SKIPPED, Status.FAILED))
_LOST = {_STATUS[str(status)] for status in (Status.MISSING, Status.ALTERED)}
_STATUS_BITS = 0b111
_PERMANENT, _UNTOUCHED = 0b1000, 0b10000
_BAD_ROW = 0b111
# The targets of a table, as tuples of one: made without a step in Python for each.
_targets = Struct("10s26x").iter_unpack


def table_of(digest: bytes) -> int:
    """The number of the table, one of 65,536, that facts of a target are in."""
    return digest[0] << 8 | digest[1]


def digest_start(table: int, fact: bytes) -> bytes:
    """The first 12 bytes of the digest of a fact's target."""
    return table.to_bytes(_TABLE_BYTES) + fact[_TARGET]


def entries_of(lines: bytes, rank: int, shard: Shard) -> bytes:
    """What whole lines of the segment with this rank say of the targets of a shard, and of bad rows: entries.

    Raises:
        SchemaError: One was written by a later version of the program.
        ValueError: One is none, or its time or task is none.
    """
    made = [_entry_of(decode_brief(line), rank) for line in lines.removesuffix(b"\n").split(b"\n")]
    if shard.count > 1:
        made = [entry for entry in made if entry and (is_bad_row(entry[_TABLE_BYTES:]) or shard.holds(entry))]
    return b"".join(made)


def tables_of(entries: bytes) -> Iterator[tuple[int, bytes]]:
    """The facts of entries, each with the number of its table."""
    return _entries(entries)


def _entry_of(line: Brief, rank: int) -> bytes:
    """What a line says of its target, or that a row is bad; nothing for a line that says nothing."""
    at, error = milliseconds(line.at), line.error
    if line.task is None or line.target is None:
        if error is None or error.code != BAD_ROW:
            return b""
        digest = bad_row_digest(line.pipeline, line.source.key, error.message)
        return digest[_START] + bytes(SIZE - 11) + bytes((_BAD_ROW,))
    said = _STATUS[line.status]
    if error is not None and error.permanent:
        said |= _PERMANENT
    if not line.touched:
        said |= _UNTOUCHED
    # Nobody's clock shows a time before 1970.
    age = (max(0, at) << 24 | rank).to_bytes(9)
    return target_digest(line.target)[_START] + age + task_bytes(line.task) + said.to_bytes()


def bad_row_digest(pipeline: str, key: str, message: str) -> bytes:
    """What stands for a bad row: key, place and what is wrong make it the same row."""
    return text_digest(f"{pipeline} {key!r} {message}")


def found(table: bytes, digest: bytes) -> bytes:
    """The facts of one target: none, its newest, or the newest that counts and then the newest of all."""
    start = _find(table, digest[_DIGEST])
    return b"" if start < 0 else table[start : _end(table, start)]


def merged(table: bytes, facts: bytes) -> bytes:
    """A table with more facts, in their order: each is taken for the newer one where time and rank are the same."""
    held = set(_targets(table))
    first, further = [], []
    for fact in split(facts):
        target = (fact[_TARGET],)
        if target in held:
            further.append(fact)
        else:
            held.add(target)
            first.append(fact)
    table += b"".join(first)
    for fact in further:
        table = _replaced(table, fact)
    return table


def split(table: bytes) -> list[bytes]:
    """The single facts of a table."""
    return [table[start : start + SIZE] for start in range(0, len(table), SIZE)]


def reranked(table: bytes, ranks: list[int]) -> bytes:
    """A table whose segments have new places: `ranks[old]` is the new one."""
    return b"".join(fact[:16] + ranks[int.from_bytes(fact[16:19])].to_bytes(3) + fact[19:] for fact in split(table))


def is_bad_row(fact: bytes) -> bool:
    """Whether a fact is about a bad row, which has no target."""
    return fact[_SAID] == _BAD_ROW


def counts(fact: bytes) -> bool:
    """Whether the line may have changed its target, or tells that somebody else has."""
    status = fact[_SAID] & _STATUS_BITS
    return status != _SKIPPED and not (status == _FAILED and fact[_SAID] & _UNTOUCHED)


def is_saved(fact: bytes, task: bytes) -> bool:
    """Whether a fact says that this task is saved."""
    return fact[_SAID] & _STATUS_BITS == _SAVED and fact[_TASK] == task


def has_failed(fact: bytes) -> bool:
    """Whether a fact is a failure, of whatever task."""
    return fact[_SAID] & _STATUS_BITS == _FAILED and not is_bad_row(fact)


def is_any_saved(fact: bytes) -> bool:
    """Whether a fact says that something is saved."""
    return fact[_SAID] & _STATUS_BITS == _SAVED


def is_lost(fact: bytes) -> bool:
    """Whether a fact says that the target was found missing or altered."""
    return fact[_SAID] & _STATUS_BITS in _LOST


def time_ms(fact: bytes) -> int:
    """The time of a fact, in milliseconds since 1970."""
    return int.from_bytes(fact[_TIME])


def is_final(fact: bytes, task: bytes) -> bool:
    """Whether a fact says that this task has failed for good."""
    return bool(fact[_SAID] & _PERMANENT) and fact[_TASK] == task and not is_bad_row(fact)


def _find(table: bytes, target: bytes) -> int:
    start = table.find(target)
    while start > 0 and start % SIZE:  # these bytes stand across two fields, or two facts
        start = table.find(target, start + 1)
    return start


def _replaced(table: bytes, fact: bytes) -> bytes:
    """A table with one more fact of a target that it knows."""
    start = _find(table, fact[_TARGET])
    end = _end(table, start)
    return table[:start] + _kept(table[start:end], fact) + table[end:]


def _end(table: bytes, start: int) -> int:
    end = start + SIZE
    return end + SIZE if table.startswith(table[start : start + 10], end) else end


def _kept(known: bytes, fact: bytes) -> bytes:
    """What is kept of the facts of one target: the newest that counts, and the newest if that is another one."""
    ordered = sorted([*split(known), fact], key=lambda one: one[_AGE])  # stable: the new one is last of its age
    newest = ordered[-1]
    counting = next((one for one in reversed(ordered) if counts(one)), newest)
    return newest if counting is newest else counting + newest

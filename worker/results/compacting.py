"""Compacting: a new checkpoint from the one before it and the segments that it does not cover yet."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from worker.batch.fact import merged, reranked
from worker.batch.ledger import Ledger
from worker.batch.segment import in_order
from worker.batch.task import Shard
from worker.errors import ResultsError
from worker.results.apart import second_process
from worker.results.checkpoint import Index, drop_old, find_checkpoint, write_checkpoint
from worker.results.lines import NOTHING, BadLine, refuse
from worker.results.loading import Survey, once, read_facts, survey, unreadable
from worker.results.patience import Patience
from worker.results.store import GoneError, Store, StoreError, TakenError

# So many segments that no checkpoint covers make reading slow where each is a request.
MANY_SEGMENTS = 200
WHOLE = Shard(0, 1)
# Facts of lines are held in memory until a checkpoint has taken them in: 72 MB.
_BATCH_FACTS = 2_000_000
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction has come to. `rounds` checkpoints were written; `found` is what there was before the last."""

    index: Index
    rounds: int
    found: Survey


async def compact(
    store: Store,
    patience: Patience,
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
    batch_facts: int = _BATCH_FACTS,
) -> Compacted:
    """Cover all segments of a job by a checkpoint, in memory that does not depend on how many there are.

    Raises:
        ResultsError: The results cannot be read or written, or a bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
    """
    rounds = tries = 0
    warn = once(warn)
    while True:
        try:
            found = await survey(store)
            index = await _round(store, patience, found, warn, set_aside, batch_facts)
        except (GoneError, TakenError) as error:
            # Somebody else compacts or prunes, too: begin anew from what is there now.
            tries += 1
            if tries == _TRIES:
                message = f"results cannot be compacted: others do so, too: {error}"
                raise ResultsError(message) from error
            continue
        except StoreError as error:
            raise unreadable(error) from error
        if index is None:
            return Compacted(found.checkpoint.index, rounds, found)
        rounds, tries = rounds + 1, 0


async def compact_if_many(store: Store, patience: Patience, warn: Callable[[str], None]) -> bool:
    """Compact where many segments are not covered; returns whether they were. Raises as `compact` does."""
    try:
        found = await survey(store)
    except StoreError as error:
        raise unreadable(error) from error
    if len(found.uncovered(WHOLE)) <= MANY_SEGMENTS:
        return False
    await compact(store, patience, warn)
    return True


async def _round(
    store: Store,
    patience: Patience,
    found: Survey,
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None],
    batch_facts: int,
) -> Index | None:
    """Write a checkpoint that covers more than the last; None if there is no more to cover."""
    spans = found.uncovered(WHOLE)
    old, present = found.checkpoint, {file.name for file in found.segments}
    # What was pruned needs no place of its own any more.
    names = sorted(present, key=in_order)
    fresh = Ledger(WHOLE)
    covered = {name: known for name, known in old.covered.items() if name in present}
    async with second_process(spans) as helper:
        read = await read_facts(
            store, spans, fresh, names, warn, set_aside, helper=helper, enough=lambda: fresh.facts >= batch_facts
        )
    if all(span.known == read.get(span.file.name, span.known) for span in spans):
        return None
    covered |= read
    covered |= {name: NOTHING for name in names if name not in covered}
    number, token = old.index.number + 1, secrets.token_hex(4)
    ranks = old.ranks(names)

    async def tables() -> AsyncIterator[tuple[int, bytes]]:
        fresh_tables = fresh.tables()
        new = next(fresh_tables, None)
        moved = ranks != list(range(len(ranks)))
        async with aclosing(old.tables(store)) as before:
            async for at, table in before:
                while new is not None and new[0] < at:
                    yield new
                    new = next(fresh_tables, None)
                known = reranked(table, ranks) if moved else table
                if new is not None and new[0] == at:
                    known = merged(known, new[1])
                    new = next(fresh_tables, None)
                yield at, known
        while new is not None:
            yield new
            new = next(fresh_tables, None)

    index = await write_checkpoint(store, number, token, covered, tables(), patience)
    await _tidy(store, warn)
    return index


async def _tidy(store: Store, warn: Callable[[str], None]) -> None:
    """Delete what the new checkpoint has replaced; that it stays is no harm."""
    try:
        await drop_old(store, await find_checkpoint(store))
    except StoreError as error:
        warn(f"an old checkpoint is left behind: {error}")

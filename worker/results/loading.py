"""Loading what the log of a job says: the newest checkpoint, and the segments that it does not cover."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from worker.batch.fact import MAX_RANK, entries_of, reranked
from worker.batch.ledger import Ledger
from worker.batch.segment import in_order, may_hold
from worker.batch.task import Shard
from worker.errors import ResultsError
from worker.results.apart import Apart, second_process
from worker.results.checkpoint import Checkpoint, find_checkpoint
from worker.results.lines import NOTHING, BadLine, Covered, Take, refuse, split
from worker.results.reading import Span, read_spans, segments, steps
from worker.results.store import GoneError, Store, Stored, StoreError

T = TypeVar("T")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is of a job: its segments, in their order, and its newest checkpoint."""

    segments: tuple[Stored, ...]
    checkpoint: Checkpoint

    @property
    def names(self) -> list[str]:
        """All segments that were ever heard of, in their order: the place of each is its rank."""
        known = {segment.name for segment in self.checkpoint.index.segments}
        return sorted(known.union(segment.name for segment in self.segments), key=in_order)

    def uncovered(self, shard: Shard) -> list[Span]:
        """What the checkpoint does not cover and may hold lines of the shard."""
        covered = self.checkpoint.covered
        spans = [Span(file, covered.get(file.name, NOTHING)) for file in self.segments if may_hold(file.name, shard)]
        return [span for span in spans if span.known.bytes < span.file.size]


async def survey(store: Store) -> Survey:
    """Look at what there is of a job.

    Raises:
        StoreError: It cannot be listed, or GoneError: what was listed is not there any more.
    """
    # In this order: a segment that is deleted in between is covered by the checkpoint that is found then.
    listed = tuple(await segments(store))
    return Survey(listed, await find_checkpoint(store))


async def read_ledger(store: Store, shard: Shard, warn: Callable[[str], None]) -> Ledger:
    """What the results log of a job says. Begins anew where a checkpoint or pruning has taken away what was listed.

    Raises:
        ResultsError: It cannot be read, or a bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
    """
    warn_once = once(warn)
    return await anew(lambda: _read_ledger(store, shard, warn_once))


async def read_lines(
    store: Store,
    decode: Callable[[bytes], T],
    warn: Callable[[str], None],
    wanted: Callable[[str], bool] = lambda _: True,
) -> AsyncGenerator[list[T], None]:
    """Every line of the segments that are `wanted`, decoded, in the order of run, segment and line; in batches.

    A batch is what a piece of a segment holds, so that nobody who takes his time has more than that in memory.
    A job without a log has none.

    Raises:
        ResultsError: A segment cannot be read, or a bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
    """
    done: set[str] = set()
    warn_once = once(warn)
    batch: list[T] = []

    def take_of(name: str) -> Take[list[T]]:
        done.add(name)
        return Take(lambda lines: [decode(line) for line in split(lines)], batch.extend)

    for tries in range(1, _TRIES + 1):
        try:
            found = await survey(store)
            # What is gone after a first look was pruned: what was left of it is not to be read any more.
            left = [Span(file) for file in found.segments if file.name not in done and wanted(file.name)]
            async with aclosing(steps(store, left, take_of, warn_once, refuser(store, found))) as read:
                async for _ in read:
                    if batch:
                        taken = batch.copy()
                        batch.clear()
                        yield taken
        except GoneError as error:
            if tries == _TRIES:
                raise unreadable(error) from error
        except StoreError as error:
            raise unreadable(error) from error
        else:
            return


def refuser(store: Store, found: Survey) -> Callable[[BadLine], None]:
    """What refuses bad lines but for those that `compact --quarantine` has seen to."""
    known = {store.path(name): covered.lines for name, covered in found.checkpoint.covered.items()}

    def set_aside(bad: BadLine) -> None:
        if bad.number > known.get(bad.path, 0):
            refuse(bad)

    return set_aside


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Warns of each thing once, though it is met again."""
    warned: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in warned:
            warned.add(text)
            warn(text)

    return warn_once


async def read_facts(
    store: Store,
    spans: Sequence[Span],
    ledger: Ledger,
    names: Sequence[str],
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
    *,
    helper: Apart | None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Covered]:
    """Read segments into a ledger, as `read_spans` does; `names` are all segments in the order of their ranks.

    Raises:
        ResultsError: There are more segments than a fact can tell apart; else as `read_spans`.
    """
    take_of, ranks, shard = fact_taker(ledger, names), ranked(names), ledger.shard

    def made_apart(helper: Apart, name: str, lines: bytes) -> Coroutine[None, None, bytes | None]:
        return helper.entries_of(lines, ranks[name], shard)

    apart = None if helper is None else partial(made_apart, helper)
    return await read_spans(store, spans, take_of, warn, set_aside, apart=apart, enough=enough)


def fact_taker(ledger: Ledger, names: Sequence[str]) -> Callable[[str], Take[bytes]]:
    """What takes the lines of segments into a ledger. Raises as `ranked` does."""
    ranks, shard = ranked(names), ledger.shard
    return lambda name: Take(partial(entries_of, rank=ranks[name], shard=shard), ledger.take)


def ranked(names: Sequence[str]) -> dict[str, int]:
    """The ranks of segments, by their names in their order.

    Raises:
        ResultsError: There are more segments than a fact can tell apart.
    """
    if len(names) > MAX_RANK:
        message = f"there are {len(names):,} segments, more than can be told apart\n    mend: prune the job"
        raise ResultsError(message)
    return {name: rank for rank, name in enumerate(names)}


def unreadable(error: StoreError) -> ResultsError:
    """The error that ends a command which cannot read the results."""
    return ResultsError(f"results cannot be read: {error}")


async def anew(read: Callable[[], Awaitable[T]]) -> T:
    """Read, and begin anew where a compaction or pruning has taken away what was listed."""
    for tries in range(1, _TRIES + 1):
        try:
            return await read()
        except GoneError as error:
            if tries == _TRIES:
                raise unreadable(error) from error
        except StoreError as error:
            raise unreadable(error) from error
    raise AssertionError  # pragma: no cover - the last try returns or raises


async def _read_ledger(store: Store, shard: Shard, warn: Callable[[str], None]) -> Ledger:
    found = await survey(store)
    ledger = await read_checkpoint(store, shard, found)
    spans = found.uncovered(shard)
    async with second_process(spans) as helper:
        await read_facts(store, spans, ledger, found.names, warn, helper=helper)
    return ledger


async def read_checkpoint(store: Store, shard: Shard, found: Survey) -> Ledger:
    """What the checkpoint alone says; raises as its tables do."""
    ledger = Ledger(shard)
    ranks = found.checkpoint.ranks(found.names)
    moved = ranks != list(range(len(ranks)))
    async with aclosing(found.checkpoint.tables(store)) as tables:
        async for number, table in tables:
            ledger.load(number, reranked(table, ranks) if moved else table)
            await _breathe(number)
    return ledger


async def _breathe(number: int) -> None:
    """Let others have a turn now and then."""
    if not number % 64:
        await asyncio.sleep(0)

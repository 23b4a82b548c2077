"""Recalling what the log of a job says: the ledger, and what each line that is still there tells beside; read once."""

from collections.abc import Callable

from worker.batch.history import History
from worker.batch.ledger import Ledger
from worker.batch.record import Record, decode
from worker.batch.segment import may_hold
from worker.batch.task import Shard
from worker.results.lines import Take, split
from worker.results.loading import anew, fact_taker, once, read_checkpoint, refuser, survey
from worker.results.reading import Span, read_spans
from worker.results.store import Store


async def recall(store: Store, shard: Shard, warn: Callable[[str], None]) -> tuple[Ledger, History]:
    """The ledger of a shard and the history of its targets. What was pruned is in the ledger only.

    Raises:
        ResultsError: The results cannot be read, or a bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
    """
    warn_once = once(warn)
    return await anew(lambda: _recall(store, shard, warn_once))


async def _recall(store: Store, shard: Shard, warn: Callable[[str], None]) -> tuple[Ledger, History]:
    found = await survey(store)
    ledger, history = await read_checkpoint(store, shard, found), History(shard)
    to_ledger = fact_taker(ledger, found.names)

    def take_of(name: str) -> Take[tuple[bytes, list[Record]]]:
        take = to_ledger(name)

        def make(lines: bytes) -> tuple[bytes, list[Record]]:
            return take.make(lines), [decode(line) for line in split(lines)]

        def keep(made: tuple[bytes, list[Record]]) -> None:
            # What the checkpoint covers is taken in once more, in the same order: the ledger stays as it is.
            take.keep(made[0])
            for record in made[1]:
                history.add(record)

        return Take(make, keep)

    spans = [Span(file) for file in found.segments if may_hold(file.name, shard)]
    await read_spans(store, spans, take_of, warn, refuser(store, found))
    return ledger, history

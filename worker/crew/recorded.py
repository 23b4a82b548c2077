"""What processes that were killed have recorded in this run: it is counted with it, and not done once more."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from worker.batch.digests import DigestSet
from worker.batch.fact import bad_row_digest
from worker.batch.planner import PlannedTask
from worker.batch.record import Record, decode
from worker.batch.task import target_digest
from worker.dispatch.outcome import Outcome
from worker.dispatch.recorder import bad_row_message
from worker.dispatch.stopping import Stop
from worker.dispatch.tally import Tally
from worker.errors import ResultsError
from worker.results.loading import read_lines
from worker.results.store import Store
from worker.sources.enumeration import Planned


class Recorded:
    """The durable lines of some processes. `tally` counts them; `sent` of them were sent."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.sent = 0
        self._digests = DigestSet()

    def __contains__(self, planned: Planned) -> bool:
        if isinstance(planned, PlannedTask):
            return planned.digest in self._digests
        return bad_row_digest(planned.pipeline, planned.source.key, bad_row_message(planned)) in self._digests

    async def read(self, store: Store, stems: tuple[str, ...], patience_s: float | None = None) -> None:
        """Read the lines of the processes whose files begin with `stems`.

        Raises:
            ResultsError: They cannot be read, or for so long none have come.
        """
        if not stems:
            return
        lines = read_lines(store, decode, lambda _: None, lambda name: name.startswith(stems))
        try:
            async with asyncio.timeout(patience_s) as patience, aclosing(lines) as batches:
                async for batch in batches:
                    for record in batch:
                        self._take(record)
                    if patience_s is not None:
                        patience.reschedule(asyncio.get_running_loop().time() + patience_s)
        except TimeoutError as error:
            message = f"results cannot be read: nothing has come for {patience_s:g} s"
            raise ResultsError(message) from error

    def outcome(self, stop: Stop) -> Outcome:
        """That of a process which did nothing more."""
        self.tally.planned = self.tally.lines.total()
        return replace(Outcome.nothing(stop, self.tally), sent=self.sent)

    def _take(self, record: Record) -> None:
        self.tally.count(record)
        self.sent += record.attempts > 0
        if record.target is not None:
            self._digests.add(target_digest(record.target))
        else:
            message = record.error.message if record.error else ""
            self._digests.add(bad_row_digest(record.pipeline, record.source.key, message))

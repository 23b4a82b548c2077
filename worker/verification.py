"""The verification of a job, which the command `verify` does: is every recorded target still there as recorded?"""

import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from worker.batch.ledger import Ledger
from worker.batch.manifest import Manifest
from worker.batch.record import Record, Status, decode, milliseconds, task_bytes
from worker.batch.segment import VERIFICATION
from worker.batch.task import Shard, target_digest
from worker.connection import Connection, Log, connect
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.dispatch.verifier import Correction, Seen, Verifier
from worker.errors import Exit, Problem, UsageError, WorkerError, foremost
from worker.oss.verdict import Failure
from worker.planning import ask_after_buckets, proven_offline, read_ledger
from worker.results.loading import read_lines
from worker.results.store import Store
from worker.results.writing import ResultsLog
from worker.settings import Settings
from worker.signals import stopping
from worker.storage import appender, check_known, open_store, patience_of
from worker.summary import OUTCOMES, Verification
from worker.tending import being_written, watched, watched_planning

_WHOLE = Shard(0, 1)
_SAMPLES = 20


async def verify_job(
    manifest: Manifest, settings: Settings, run: str, environ: Mapping[str, str], log: Log
) -> Verification:
    """Look at every recorded target of a job, and record which of them are missing or altered.

    Raises:
        UnknownError: There are no results of such a job.
        WorkerError: It ended before the first target was looked at.
    """
    if settings.addressing == "cname":
        reason = "with `addressing: cname` targets cannot be looked at"
        raise UsageError(Problem(reason, "use the bucket's own endpoint", manifest.file))
    stop, manifest = Stop(), proven_offline(manifest, settings)
    verification: _Verification | None = None
    with stopping(stop):
        async with connect(settings, environ, stop, 1, log, manifest.sites) as connection:
            store = open_store(settings, manifest.job, connection)
            with suppress(Cut):
                async with watched_planning(connection, settings.shutdown.stall_s):
                    ledger = await read_ledger(store, _WHOLE, stop, lambda text: log(text, logging.WARNING))
                    if not ledger:
                        await check_known(store, manifest.job)
                    notes = await ask_after_buckets(manifest, settings, connection)
                verification = _Verification(manifest, settings, run, connection, store, ledger)
                verification.notes += notes
                await verification.work()
            if verification is None:
                verification = _Verification(manifest, settings, run, connection, store, Ledger(_WHOLE))
    return verification.end()


class _Verification:
    """The state of one verification."""

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        run: str,
        connection: Connection,
        store: Store,
        ledger: Ledger,
    ) -> None:
        self._job = manifest.job
        self._settings = settings
        self._run = run
        self._connection = connection
        self._store = store
        self._ledger = ledger
        self.notes: list[str] = []
        self._stop = connection.stop
        self._recorded, self._found_before = ledger.saved, ledger.lost
        self._lines = 0
        self._found: Counter[Status] = Counter()
        self._errors: Counter[str] = Counter()
        self._samples: list[dict[str, str]] = []
        self._trouble: list[WorkerError] = []
        stem = f"{run}/{VERIFICATION}.{secrets.token_hex(4)}"
        self._log = ResultsLog(appender(store, stem), patience_of(settings, connection), self._count)
        self._correction = Correction(self._log.append, connection.clock, run)
        verifier = Verifier(connection.sender)
        self._scheduler = Scheduler(verifier.look, self._take, self._log, self._stop)

    async def work(self) -> None:
        """Look at every target, or at as many as can be."""
        shutdown = self._settings.shutdown
        async with (
            being_written(self._log, self._stop, self._trouble),
            watched(self._connection, lambda: (self._lines, self._found.total()), shutdown.stall_s),
            aclosing(self._targets()) as lines,
        ):
            await self._scheduler.run(lines, self._connection.concurrency, shutdown.grace_s)

    async def _targets(self) -> AsyncGenerator[Record, None]:
        """The lines by which targets are saved, as they stand in the log."""
        try:
            async with aclosing(read_lines(self._store, decode, lambda _: None)) as batches:
                async for batch in batches:
                    for line in batch:
                        if self._is_rested_on(line):
                            self._lines += 1
                            yield line
        except WorkerError as error:
            self._trouble.append(error)
            self._stop.throw(Reason.RESULTS)

    def _is_rested_on(self, line: Record) -> bool:
        if line.status is not Status.SAVED or line.target is None or line.task is None:
            return False
        return self._ledger.rests_on(target_digest(line.target), task_bytes(line.task), milliseconds(line.at))

    def _take(self, _: Record, seen: Seen) -> None:
        match seen.found:
            case Failure() as failure:
                self._errors[failure.code] += 1
                self._show(seen.line, f"{failure.code}: {failure.message}")
            case Status.SAVED:
                self._found[Status.SAVED] += 1
            case found:
                self._correction.record(seen.line, found)
                self._show(seen.line, str(found))

    def _count(self, record: Record) -> None:
        self._found[record.status] += 1

    def _show(self, line: Record, found: str) -> None:
        if len(self._samples) < _SAMPLES and line.target is not None:
            self._samples.append({"target": f"oss://{line.target.bucket}/{line.target.key}", "found": found})

    def end(self) -> Verification:
        """What was found, and how the command ends."""
        found, looked = self._found, self._found.total() + self._errors.total()
        troubles = [*self._trouble, *([self._stop.error] if self._stop.error else [])]
        complete = self._scheduler.complete and looked == self._lines and not troubles
        # Only who has read the log to its end knows of which targets no line is left.
        pruned = self._recorded - self._lines if complete else 0
        codes = [error.exit_code for error in troubles]
        if self._stop.reason is Reason.SIGNAL and not complete:
            codes.append(Exit.INTERRUPTED)
        if found[Status.MISSING] or found[Status.ALTERED] or self._errors:
            codes.append(Exit.FAILED)
        code = foremost(codes)
        return Verification(
            job=self._job,
            run=self._run,
            endpoint=self._connection.endpoint,
            outcome=OUTCOMES[code],
            exit=code,
            recorded=self._recorded,
            intact=found[Status.SAVED],
            missing=found[Status.MISSING],
            altered=found[Status.ALTERED],
            unknown=self._errors.total(),
            errors=dict(self._errors),
            pruned=pruned,
            not_asked=self._recorded - looked - pruned,
            found_before=self._found_before,
            requests=dict(self._connection.requests),
            samples=self._samples,
            notes=[*self.notes, *map(str, troubles)],
        )

"""Supervision: starts the child processes of a run, hears them, stops them, and starts anew what was killed."""

import asyncio
import logging
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from worker.connection import Log
from worker.crew.messages import Counted, Ended, Gave, Halt, Said, Start, packed, received
from worker.crew.recorded import Recorded
from worker.dispatch.outcome import Outcome, Trouble
from worker.dispatch.stopping import Reason, Stop
from worker.dispatch.tally import Tally
from worker.errors import Exit, WorkerError
from worker.results.store import Store
from worker.snapshot import Flow, Part

# A process that records nothing new before it dies so many times would die for ever.
_MAX_DEATHS = 3
# Beyond the grace of the tasks on their way, and the patience with results that refuse them: to close connections.
_CLOSING_S = 30


class Crew:
    """The child processes of one run, each with a part of its tasks."""

    def __init__(self, starts: Sequence[Start], store: Store, stop: Stop, log: Log) -> None:
        self._stop = stop
        self._log = log
        self._members = [_Member(number, start, store, stop, log) for number, start in enumerate(starts)]

    @property
    def tally(self) -> Tally:
        """What they have done so far, without columns."""
        total = Tally()
        for member in self._members:
            total.add(member.tally.counts)
        return total

    @property
    def parts(self) -> list[Part]:
        """How far each is."""
        return [Part(member.tally.planned, member.tally.done, member.flow) for member in self._members]

    @property
    def processes(self) -> list[str]:
        """All processes that there were, as the names of their files have them."""
        return [process for member in self._members for process in member.processes]

    async def work(self) -> list[Outcome]:
        """Have all tasks done, or the run stopped; what each part came to."""
        messenger = asyncio.create_task(self._pass_on(), name="halt")
        try:
            return list(await asyncio.gather(*(member.work() for member in self._members)))
        finally:
            messenger.cancel()

    async def _pass_on(self) -> None:
        """Tell all members of a stop, and of a second signal."""
        for tell in (self._stop.wait, self._stop.wait_for_hurry):
            await tell()
            for member in self._members:
                member.halt()


class _Member:
    """One part of the tasks, and the process that works at it.

    `processes` are all that have; `tally` is what they have done so far, `flow` what the last one has sent.
    """

    def __init__(self, number: int, start: Start, store: Store, stop: Stop, log: Log) -> None:
        self._number = number
        self._start = start
        self._store = store
        self._stop = stop
        self._log = log
        self._child: Process | None = None
        self._told: Halt | None = None
        self.processes: list[str] = []
        self.tally = Tally()
        self.flow = Flow()

    async def work(self) -> Outcome:
        """Have the part done, by as many processes as it takes."""
        deaths, done = 0, 0
        while True:
            ended = await self._one_process()
            match ended:
                case Ended(outcome):
                    self.tally = outcome.tally
                    self._consider(outcome)
                    return outcome
                case Gave(exit_code, message):
                    self._stop.throw(Reason.PEER)
                    return await self._outcome_of_the_dead(Trouble(exit_code, message))
            deaths = 1 if self.tally.lines.total() > done else deaths + 1
            done = self.tally.lines.total()
            self._start = replace(self._start, predecessors=(*self._start.predecessors, self._start.order.stem))
            how = f"process {self._number} of the run ended with {ended}"
            if self._stop.reason is not None:
                return await self._outcome_of_the_dead()
            if deaths >= _MAX_DEATHS:
                self._stop.throw(Reason.PEER)
                return await self._outcome_of_the_dead(Trouble(Exit.UNEXPECTED, f"{how}, again and again"))
            self._log(f"{how}; another one goes on where it was", logging.WARNING)

    def halt(self) -> None:
        """Tell the process to stop, or of a second signal, unless it knows."""
        reason = self._stop.reason
        if self._child is None or self._child.stdin is None or reason is None:
            return
        halt = Halt(reason, self._stop.hurries)
        if halt != self._told:
            self._told = halt
            with suppress(OSError, RuntimeError):  # it may have ended, and so has the pipe
                self._child.stdin.write(packed(halt))

    def _consider(self, outcome: Outcome) -> None:
        """Where a process has stopped for a reason of its own, the others stop as well."""
        if outcome.stopped is not None:
            self._stop.throw(Reason.PEER)

    async def _one_process(self) -> Ended | Gave | str:
        """Have one process work; its last message, or how it ended without one."""
        self.processes.append(secrets.token_hex(4))
        self._start = replace(self._start, order=replace(self._start.order, proc=self.processes[-1]))
        try:
            # A session of its own: a signal to the group of processes is ours to handle.
            command = (sys.executable, "-m", "worker.crew")
            child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        except OSError as error:
            return Gave(Exit.UNEXPECTED, f"process {self._number} of the run does not start: {error.strerror}")
        self._child, self._told = child, None
        killer = asyncio.create_task(self._kill_if_late(child), name="kill if late")
        try:
            return await self._heard(child)
        finally:
            killer.cancel()
            self._child = None
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def _heard(self, child: Process) -> Ended | Gave | str:
        if child.stdin is None or child.stdout is None:  # pragma: no cover - both are pipes; said for the type checker
            message = "no pipes"
            raise RuntimeError(message)
        with suppress(OSError, RuntimeError):  # it may be dead already
            child.stdin.write(packed(self._start))
        self.halt()
        while (said := await received(child.stdout)) is not None:
            match said:
                case Said(level, text, fields):
                    self._log(text, level, **fields)
                case Counted(tally, flow):
                    self.tally, self.flow = tally, flow
                case Ended() | Gave():
                    child.stdin.close()
                    await child.wait()
                    return said
        code = await child.wait()
        return f"signal {-code}" if code < 0 else f"exit {code}"

    async def _kill_if_late(self, child: Process) -> None:
        settings = self._start.settings
        await self._stop.wait()
        await asyncio.sleep(settings.shutdown.grace_s + settings.results_patience_s + _CLOSING_S)
        child.kill()

    async def _outcome_of_the_dead(self, *troubles: Trouble) -> Outcome:
        """What is durable of what the part's processes did, where no other goes on.

        Where that cannot be read it is what they have told: it was durable, though it may not be all.
        """
        recorded, found = Recorded(), list(troubles)
        try:
            await recorded.read(self._store, self._start.predecessors, self._start.settings.results_patience_s)
        except WorkerError as error:
            found.append(Trouble(error.exit_code, str(error)))
            outcome = Outcome.nothing(self._stop, self.tally)
        else:
            outcome = recorded.outcome(self._stop)
        self.tally = outcome.tally
        return replace(outcome, troubles=[*outcome.troubles, *found])

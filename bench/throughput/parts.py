"""CPU of the parts of a task, each measured alone: what they add up to is what the worker costs beside aiohttp."""

import asyncio
import gc
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import uvloop

from bench.throughput.clients import KEYS, MANIFEST, REGION, key
from bench.throughput.echo import saved
from worker.batch.ledger import Ledger
from worker.batch.planner import PlannedTask
from worker.batch.reader import parse_manifest
from worker.batch.record import Record, Status, encode
from worker.batch.task import Shard, Task
from worker.credentials.keyring import Keyring
from worker.credentials.source import Fixed
from worker.dispatch.adaptive import limits_of
from worker.dispatch.canary import Canary
from worker.dispatch.clock import ServiceClock
from worker.dispatch.decider import Decider, Needless, Result
from worker.dispatch.failure_limit import FailureLimit
from worker.dispatch.outage import MANY, Outage
from worker.dispatch.performer import Performer
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.recorder import Recorder
from worker.dispatch.relay import Relay
from worker.dispatch.saveas import Saveas
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.sender import Sender, Signer
from worker.dispatch.stopping import Stop
from worker.dispatch.tally import Tally
from worker.dispatch.throttle import Throttle
from worker.oss.answer import Answer
from worker.oss.endpoint import parse_endpoint
from worker.oss.process import saveas
from worker.oss.request import Request, process_object
from worker.oss.signing import Credentials, V4Signer
from worker.oss.verdict import Failure, judge_saved
from worker.planning import with_files
from worker.sources.enumeration import Enumeration
from worker.sources.files import Files

T = TypeVar("T")
TASKS = 20_000
_REPEATS = 5
_HEADERS = {"date": "Tue, 24 Nov 2026 08:00:00 GMT", "x-oss-request-id": "5FD7B1D2C3E4F5A6B7C8D9E0"}
_SHARD = Shard(0, 1)


def measure() -> dict[str, float]:
    """Microseconds of CPU for each task, by part; `task` is all of them together, with an answer that is there."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        tasks, plan_us = _plan(Path(name))
    requests = [_request(task) for task in tasks]
    answers = [Answer(200, _HEADERS, saved(request.body)) for request in requests]
    at, sign, endpoint = datetime.now(UTC), V4Signer(REGION), parse_endpoint("http://127.0.0.1:1")
    credentials = Credentials(*KEYS)
    return {
        "plan": plan_us,
        "build": _least(lambda: [_request(task) for task in tasks]),
        "sign": _least(lambda: [sign(request, credentials, at) for request in requests]),
        "address": _least(lambda: [endpoint.url(request) for request in requests]),
        "judge": _least(
            lambda: [
                judge_saved(answer, task.source.bucket, task.target)
                for task, answer in zip(tasks, answers, strict=True)
            ]
        ),
        "record": _least(lambda: _recorded(tasks)),
        "task": min(uvloop.run(_performed(tasks)) for _ in range(_REPEATS)),
    }


def _least(part: Callable[[], object]) -> float:
    def once() -> float:
        began = time.process_time()
        part()
        return (time.process_time() - began) / TASKS * 1e6

    return min(once() for _ in range(_REPEATS))


def _plan(directory: Path) -> tuple[list[Task], float]:
    (directory / "keys.csv").write_text("key,size\n" + "".join(f"{key(number)},1234\n" for number in range(TASKS)))
    manifest = with_files(parse_manifest(MANIFEST, str(directory / "job.yaml"), datetime.now(UTC)))

    async def ask(request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        raise NotImplementedError(request.method)

    async def planned() -> tuple[list[Task], float]:
        began = time.process_time()
        with Files(ask) as files:
            enumeration = Enumeration(manifest, _SHARD, ask, files, ())
            found = [item.task async for item in enumeration.streamed() if isinstance(item, PlannedTask)]
        return found, (time.process_time() - began) / TASKS * 1e6

    return min((uvloop.run(planned()) for _ in range(_REPEATS)), key=lambda found: found[1])


def _request(task: Task) -> Request:
    return process_object(task.source, saveas(task.process, task.target))


class _NoBacklog:
    is_behind = False

    async def ready(self) -> None:
        pass


def _clock() -> ServiceClock:
    return ServiceClock(time.time, time.monotonic, asyncio.sleep)


def _recorded(tasks: Sequence[Task]) -> None:
    """What becomes of a result, without the disk."""
    tally, canary, limit = Tally(), Canary(20), FailureLimit(1000, 0.5, {})
    lines: list[Callable[[], Record]] = []
    recorder = Recorder(lines.append, _clock(), "throughput", "20261124T080000Z-0000", str(_SHARD))
    for task in tasks:
        result = Result(task, b"0123456789abcdef", Status.SAVED, "", 1234, 3267, 1, {}, "5FD7B1D2", 0.01, touched=True)
        recorder.record(result)
        canary.hear(result)
        limit.hear(result)
    for line in lines:
        record = line()
        encode(record)
        tally.count(record)


async def _performed(tasks: Sequence[Task]) -> float:
    """All parts of a task but planning and record, by the parts of the worker, with a service that answers at once."""
    stop, policy, clock, rng = Stop(), RetryPolicy(5, 0.2, 20, 900), _clock(), random.Random(1)
    keyring = Keyring(Fixed("made up", Credentials(*KEYS)), time.monotonic, asyncio.sleep, rng, lambda *_, **__: None)
    await keyring.start()
    answers = iter([Answer(200, _HEADERS, saved(_request(task).body)) for task in tasks])
    outage = Outage(MANY, policy, time.monotonic, lambda _: None, lambda _: None)

    async def send(_request: Request) -> Answer | Failure:
        return next(answers)

    async def stream() -> AsyncGenerator[Task, None]:
        for task in tasks:
            yield task

    limits = limits_of(100_000, 100_000, 64, lambda _: None, adaptive=True)
    sender = Sender(
        send,
        Signer(keyring, V4Signer(REGION)),
        throttle=Throttle(limits, time.monotonic, asyncio.sleep),
        policy=policy,
        outage=outage,
        clock=clock,
        stop=stop,
        rng=rng,
        tell=lambda *_: None,
    )
    decider = Decider(sender, Ledger(_SHARD), "replace", redo=False, heads=64)
    performer = Performer(decider, lambda: None, Saveas(sender), Relay(sender))
    kinds: Counter[type] = Counter()

    def count(_: Task, result: Result | Needless) -> None:
        kinds[type(result)] += 1

    scheduler = Scheduler(performer.perform, count, _NoBacklog(), stop)
    gc.freeze()  # as a run does
    began = time.process_time()
    await scheduler.run(stream(), 64, 10)
    assert kinds == {Result: len(tasks)}
    return (time.process_time() - began) / len(tasks) * 1e6


if __name__ == "__main__":
    for part, cpu_us in measure().items():
        print(f"{part:8} {cpu_us:6.1f} us")

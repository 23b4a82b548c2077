"""What a stand-in has seen of the pods of a night, and when: how fast they went together, and what they did twice."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.kubernetes.lifecycle import Job, Pod
from tests.stand_in import Reply, Seen, StandIn
from worker.batch.task import shard_index, target_digest
from worker.oss.names import ObjectRef

Target = tuple[str, str]
_TICK_S = 0.005


class Arrivals:
    """Give `script` to a stand-in, and be within while it is asked. `at` is when each of its `seen` came, in seconds.

    `lag_s` is how late these times may be: as long as this very process did not look, be it for want of a core.
    """

    def __init__(self) -> None:
        self.at: list[float] = []
        self.lag_s = 0.0
        self._ticking: asyncio.Task[None] | None = None

    def script(self, _: Seen) -> Reply | None:
        self.at.append(time.monotonic())
        return None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking

    async def _tick(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_S)
            self.lag_s = max(self.lag_s, time.monotonic() - before - _TICK_S)


def burst(at: Sequence[float], rate: float) -> float:
    """By how many the requests of any span of time, a second or an hour, are more than `rate` times its length."""
    most, least = 0.0, float("inf")
    for number, moment in enumerate(at):
        least = min(least, number - rate * moment)
        most = max(most, number + 1 - rate * moment - least)
    return most


class Night:
    """The pods of one Job, by what a stand-in has seen of them."""

    def __init__(self, job: Job, server: StandIn, arrivals: Arrivals) -> None:
        assert len(server.seen) == len(arrivals.at)
        self._job = job
        self._seen = list(zip(server.seen, arrivals.at, strict=True))
        self.durable_at: dict[Target, float] = {}
        for request, at in self._seen:
            if request.method == "PUT" and request.key.endswith(".jsonl"):
                for line in map(json.loads, request.body.splitlines()):
                    if line["status"] == "saved":
                        self.durable_at.setdefault((line["target"]["bucket"], line["target"]["key"]), at)

    def all_at_work(self, pods: int) -> tuple[float, float]:
        """The time in which all of the first `pods` send: from the first POST of the last to the last of the first."""
        of_shard: dict[int, list[float]] = {}
        for request, at in self._posts():
            of_shard.setdefault(self._index(request.saves), []).append(at)
        first = [of_shard[pod.index] for pod in self._job.pods[:pods]]
        return max(times[0] for times in first), min(times[-1] for times in first)

    def repeated(self) -> Iterator[tuple[Target, Pod, bool]]:
        """Each target that was asked for once more, by which pod, and whether it was durable when that began."""
        sent: set[Target] = set()
        for request, at in self._posts():
            target = request.saves
            if target in sent:
                pod = [pod for pod in self._of(target) if pod.began_s < at][-1]
                yield target, pod, self.durable_at.get(target, float("inf")) < pod.began_s
            sent.add(target)

    def follows_a_kill(self, pod: Pod) -> bool:
        """Whether a pod of this index was killed before this one began."""
        earlier = [one for one in self._job.pods if one.index == pod.index and one.began_s < pod.began_s]
        return any(one.exit_code == 137 for one in earlier)

    def _posts(self) -> Iterator[tuple[Seen, float]]:
        return ((request, at) for request, at in self._seen if request.method == "POST")

    def _of(self, target: Target) -> list[Pod]:
        return [pod for pod in self._job.pods if pod.index == self._index(target)]

    def _index(self, target: Target) -> int:
        return shard_index(target_digest(ObjectRef(*target)), self._job.cronjob.job["completions"])

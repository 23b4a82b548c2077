"""The division of a run among its processes: tasks, limits, and what is judged by the results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from worker.connection import Served
from worker.crew.messages import Start
from worker.execution import Order
from worker.settings import Settings


def divided(
    order: Order, settings: Settings, served: Served | None, parallelism: int, spools: Sequence[Path]
) -> list[Start]:
    """What each process has to do: process k of P in shard I of N does the tasks of shard I + k*N of N*P.

    Each judges by its own results: so much fewer are enough to say that all the others would fail as well. `limit` is
    divided so that all together send no more.
    """
    processes = len(spools)
    failure = settings.failure
    part = replace(
        settings,
        failure=replace(failure, canary=_share(failure.canary, processes), window=_share(failure.window, processes)),
    )
    return [
        Start(
            order=replace(order, limit=_limit(order.limit, number, processes)),
            settings=part,
            served=served,
            part=shard,
            parallelism=parallelism * processes,
            spool=spool,
            predecessors=(),
        )
        for number, (shard, spool) in enumerate(zip(order.shard.divided(processes), spools, strict=True))
    ]


def _share(whole: int, processes: int) -> int:
    return -(-whole // processes)


def _limit(limit: int | None, number: int, processes: int) -> int | None:
    return None if limit is None else limit // processes + (number < limit % processes)

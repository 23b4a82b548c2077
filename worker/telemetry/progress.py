"""Progress of a run: the screen on a terminal, a line now and then elsewhere."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TextIO, cast

import msgspec

from worker.arguments import Form
from worker.snapshot import Snapshot
from worker.telemetry.logs import LOGGER, logs_to
from worker.telemetry.pace import Pace
from worker.telemetry.screen import screen
from worker.telemetry.terminal import Terminal

_DRAWN_EVERY_S = 0.5
_LOG_EVERY_S = 10.0


@asynccontextmanager
async def show_progress(form: Form, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Show on standard error how far a run is, while the block lasts.

    `auto` and `bar` are the screen on a terminal that can draw, else lines of the log; `log` is always these.
    """
    if form == "none":
        yield
        return
    terminal = Terminal(sys.stderr) if form != "log" and sys.stderr.isatty() else None
    showing = _draw(terminal, snapshot) if terminal and terminal.can_draw else _log(snapshot)
    shower = asyncio.create_task(showing, name="progress")
    try:
        yield
    finally:
        shower.cancel()
        with suppress(asyncio.CancelledError):
            await shower


async def _draw(terminal: Terminal, snapshot: Callable[[], Snapshot]) -> None:
    pace = Pace()

    def draw() -> None:
        pace.see(now := snapshot())
        terminal.draw(screen(now, pace, *terminal.size))

    with suppress(OSError), logs_to(cast("TextIO", terminal)):  # a terminal that is gone is no reason to stop
        try:
            while True:
                draw()
                await asyncio.sleep(_DRAWN_EVERY_S)
        finally:
            draw()


async def _log(snapshot: Callable[[], Snapshot]) -> None:
    logger, pace = logging.getLogger(LOGGER), Pace()
    pace.see(snapshot())
    while True:
        await asyncio.sleep(_LOG_EVERY_S)
        pace.see(now := snapshot())
        logger.info("progress", extra=_facts(now, pace))


def _facts(now: Snapshot, pace: Pace) -> dict[str, object]:
    """What the screen says, as fields of a line of the log. What there is nothing of is left out."""
    flow = now.flow
    found: dict[str, object] = {
        "planned": now.planned,
        "total": now.total,
        "saved": now.saved,
        "already_saved": now.already_saved,
        "skipped": now.skipped,
        "failed": now.failed,
        "elapsed_s": round(now.elapsed_s),
        "left_s": None if (left_s := pace.left_s) is None else round(left_s),
        "tasks_per_s": round(pace.tasks_per_s, 1),
        "requests_per_s": round(pace.requests_per_s, 1),
        "source_mb_per_s": round(pace.source_mb_per_s, 1),
        "in_flight": flow.in_flight,
        "limits": msgspec.to_builtins(flow.limits),
        "held": ", ".join(flow.held),
        "last_change": flow.event.event if flow.event else "",
        "tries": dict(now.tries),
        "errors": {code: one.count for code, one in now.failures},
        "example": _example(now),
        "pipelines": {name: msgspec.to_builtins(one) for name, one in now.pipelines.items()},
        "processes": [
            {"done": part.done, "tasks_per_s": round(pace.part_per_s(number), 1), "in_flight": part.flow.in_flight}
            for number, part in enumerate(now.parts)
        ],
    }
    return {name: value for name, value in found.items() if value not in (None, "", {}, [])}


def _example(now: Snapshot) -> dict[str, object]:
    if not now.failures:
        return {}
    code, found = now.failures[0]
    line = found.example
    source = {"bucket": line.source.bucket, "key": line.source.key}
    return {"code": code, "pipeline": line.pipeline, "source": source, "request_id": line.request_id}

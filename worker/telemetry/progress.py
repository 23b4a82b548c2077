"""Progress of a run: a bar on a terminal, a line now and then elsewhere."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from worker.arguments import Form
from worker.summary import Snapshot
from worker.telemetry.logs import LOGGER

_BAR_EVERY_S = 0.2
_LOG_EVERY_S = 10.0


@asynccontextmanager
async def show_progress(form: Form, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Show on standard error how far a run is, while the block lasts; `auto` is a bar on a terminal, else log lines."""
    if form == "auto":
        form = "bar" if sys.stderr.isatty() else "log"
    if form == "none":
        yield
        return
    shower = asyncio.create_task(_bar(snapshot) if form == "bar" else _log(snapshot), name="progress")
    try:
        yield
    finally:
        shower.cancel()
        with suppress(asyncio.CancelledError):
            await shower


async def _bar(snapshot: Callable[[], Snapshot]) -> None:
    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        bar = progress.add_task("", total=None)
        try:
            while True:
                _draw(progress, bar, snapshot())
                await asyncio.sleep(_BAR_EVERY_S)
        finally:
            _draw(progress, bar, snapshot())


def _draw(progress: Progress, bar: TaskID, now: Snapshot) -> None:
    progress.update(bar, total=now.total, completed=now.done, description=_words(now), refresh=True)


async def _log(snapshot: Callable[[], Snapshot]) -> None:
    logger = logging.getLogger(LOGGER)
    while True:
        await asyncio.sleep(_LOG_EVERY_S)
        now = snapshot()
        logger.info(
            "progress",
            extra={
                "planned": now.planned,
                "saved": now.saved,
                "already_saved": now.already_saved,
                "skipped": now.skipped,
                "failed": now.failed,
                "saved_per_s": round(now.saved / now.elapsed_s, 1) if now.elapsed_s else 0.0,
                **({"held": ", ".join(now.held)} if now.held else {}),
            },
        )


def _words(now: Snapshot) -> str:
    rate = now.saved / now.elapsed_s if now.elapsed_s else 0.0
    parts = [f"{now.saved} saved", f"{rate:.1f}/s"]
    parts += [f"{count} {name}" for name, count in _others(now) if count]
    return ", ".join([*parts, *now.held])


def _others(now: Snapshot) -> tuple[tuple[str, int], ...]:
    return (("already saved", now.already_saved), ("skipped", now.skipped), ("failed", now.failed))

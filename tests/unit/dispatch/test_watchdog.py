"""The watchdog: what is a stall, what is not, and what it tells."""

import asyncio
import re
from collections.abc import Callable

from tests.fakes import in_virtual_time, now_s
from worker.dispatch.watchdog import waiting, watch


def stalls(progress: Callable[[], object], for_s: float = 1000) -> list[tuple[float, str]]:
    told: list[tuple[float, str]] = []

    async def main() -> None:
        watching = asyncio.create_task(
            watch(progress, lambda waits: told.append((now_s(), waits)), 60, now_s, asyncio.sleep), name="watchdog"
        )
        await asyncio.sleep(for_s)
        watching.cancel()

    in_virtual_time(main())
    return told


def test_no_progress_for_that_long_is_told_once_with_what_waits() -> None:
    ((at, waits),) = stalls(lambda: 7)
    assert 60 <= at <= 67
    assert "main" in waits


def test_anything_that_happens_now_and_then_is_progress() -> None:
    assert stalls(lambda: now_s() // 50) == []


def test_waiting_rightly_is_no_stall() -> None:
    assert stalls(lambda: None) == []


def test_a_stall_begins_when_the_last_thing_happened() -> None:
    ((at, _),) = stalls(lambda: min(now_s(), 300))
    assert 354 <= at <= 372


def test_what_waits_is_told_by_its_places_and_alike_ones_together() -> None:
    async def inner() -> None:
        await asyncio.sleep(10)

    async def outer() -> None:
        await inner()

    async def main() -> list[str]:
        tasks = [asyncio.create_task(outer(), name=f"consumer {number}") for number in range(3)]
        await asyncio.sleep(1)
        found = waiting()
        for task in tasks:
            task.cancel()
        return found

    found = in_virtual_time(main())
    assert any(re.match(r"3 x consumer: \S+outer:\d+ > \S+inner:\d+ > sleep:\d+", line) for line in found), found

"""The watchdog: a run that shows no progress at all is stopped, and tells what it waits for."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any


async def watch(
    progress: Callable[[], object],
    stalled: Callable[[str], None],
    stall_s: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Call `stalled` with what everybody waits for, once `progress` has given the same for `stall_s`, and return.

    `progress` gives any value that changes with whatever happens, and None while it is right that nothing happens.
    """
    seen, since_s = progress(), monotonic()
    while True:
        await sleep(stall_s / 10)
        now, now_s = progress(), monotonic()
        if now is None or now != seen:
            seen, since_s = now, now_s
        elif now_s - since_s >= stall_s:
            stalled("\n".join(waiting()))
            return


def waiting() -> list[str]:
    """What the tasks of the running event loop wait for, alike ones as one line. Names code, never a value."""
    found = Counter(f"{task.get_name().split()[0]}: {_place(task)}" for task in asyncio.all_tasks())
    return [f"{count} x {place}" for place, count in sorted(found.items())]


def _place(task: "asyncio.Task[object]") -> str:
    """The coroutines that await one another, down to where the task waits; itself it only knows the outermost."""
    places = []
    awaited: Any = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)) is not None:
        places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    return " > ".join(places)

"""How often the garbage collector looks."""

import gc


def look_for_garbage_seldom() -> None:
    """Of a task little is left that only the collector finds: looking for it every 700 objects took a twentieth.

    What there is now stays to the end, and is not looked at any more. `bench/README.md` has the figures.
    """
    gc.freeze()
    gc.set_threshold(5000)

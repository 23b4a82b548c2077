"""A terminal: what is told stays whole above what is drawn, at any size; and whoever holds it holds up nobody."""

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr

import pytest
from rich.text import Text

from tests.e2e.terminal import Window
from tests.fakes import in_virtual_time
from tests.unit.test_progress import EVIL, NOW
from worker.telemetry.logs import LOGGER, set_up_logs
from worker.telemetry.progress import show_progress
from worker.telemetry.terminal import Terminal

LONG = "".join(f"<{number}>" for number in range(60))


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("TERM", "xterm-256color")
    with closing(Window(80, 24)) as found:
        yield found


def stream_to(window: Window) -> io.TextIOWrapper:
    """What is standard error where somebody looks at it."""
    return io.TextIOWrapper(io.FileIO(window.theirs, "w", closefd=False), "utf-8", write_through=True)


@contextmanager
def at_the_terminal(window: Window) -> Iterator[None]:
    """Within, standard error is the terminal."""
    with redirect_stderr(stream_to(window)):
        set_up_logs("text", "info")
        yield


def lines(*texts: str) -> list[Text]:
    return [Text(text) for text in texts]


def test_what_is_told_stands_whole_above_what_is_drawn(window: Window) -> None:
    stream_to(window).write("before\n")
    terminal = Terminal(stream_to(window))
    terminal.draw(lines("one", "two", "three"))
    terminal.write(f"{LONG}\nand ")
    terminal.draw(lines("four"))
    terminal.write("more\n\nof this")
    terminal.write(" and that\n")
    window.read()
    whole = [LONG[begin : begin + 80] for begin in range(0, len(LONG), 80)]
    assert window.display[: 5 + len(whole)] == ["before", *whole, "and more", "", "of this and that", "four"]
    assert window.is_as_it_was
    assert window.screen.cursor.y == 5 + len(whole)


def test_a_line_that_scrolls_takes_nothing_with_it(window: Window) -> None:
    terminal = Terminal(stream_to(window))
    for number in range(40):
        terminal.draw(lines(f"drawn {number}", "below"))
        terminal.write(f"told {number}\n")
        window.read()
    assert window.text == [*(f"told {number}" for number in range(40)), "drawn 39", "below", ""]


def test_where_a_terminal_is_made_narrower_nothing_is_left_of_what_was_drawn(window: Window) -> None:
    terminal = Terminal(stream_to(window))
    terminal.draw(lines("x" * 80, "y" * 30))
    window.read()
    # Most terminals break lines anew. Ours does not: it is shown what stands there then.
    window.resize(40, 24)
    window.screen.reset()
    window.show(b"\r\n".join([b"x" * 40, b"x" * 40, b"y" * 30, b""]))
    terminal.draw(lines("z"))
    window.read()
    assert window.display[:2] == ["z", ""]
    assert window.is_as_it_was


def test_what_is_told_after_a_terminal_was_made_smaller_leaves_no_second_picture(window: Window) -> None:
    terminal = Terminal(stream_to(window))
    terminal.draw(lines(*(f"drawn {number} {'x' * 60}" for number in range(20))))
    window.read()
    window.resize(40, 10)
    window.screen.reset()
    for number in range(5):
        terminal.write(f"told {number}\n")
        window.read()
    assert [line[:7] for line in window.text if line.startswith("drawn 0")] == ["drawn 0"]
    assert window.display[-2][:7] == "drawn 8"
    assert len(window.display[-2]) == 40


def test_a_terminal_without_a_size_or_without_the_letters_is_known(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.resize(0, 0)
    assert Terminal(stream_to(window)).size == (80, 24)
    assert Terminal(stream_to(window)).can_draw
    ascii_only = Terminal(io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert not ascii_only.can_draw
    assert ascii_only.size == (80, 24)
    monkeypatch.setenv("TERM", "dumb")
    assert not Terminal(stream_to(window)).can_draw


class BugError(Exception):
    """What nobody foresaw."""


async def with_a_bug() -> None:
    async with show_progress("auto", lambda: NOW):
        await asyncio.sleep(0)
        logging.getLogger(LOGGER).warning("careful", extra={"key": EVIL})
        sys.stderr.write("from somewhere else\n")
        raise BugError


async def test_what_is_told_stands_above_the_screen_which_a_bug_leaves_as_it_was(window: Window) -> None:
    with at_the_terminal(window):
        with pytest.raises(BugError):
            await with_a_bug()
        logging.getLogger(LOGGER).warning("after it")
    window.read()
    careful, rest, elsewhere, bar, *others = window.display
    assert r'warning careful key="a\x1b[2J\x0d\x0a\u202eb\u2028c\x9b' in careful
    assert rest.endswith(':smile:"')
    assert elsewhere == "from somewhere else"
    assert set(bar) == {"━", "─"}
    assert others[0].startswith("progress     4,100 of 10,000 (41 %)")
    assert [line[9:] for line in others if line.endswith("it")] == ["warning after it"]
    assert window.is_as_it_was


def test_a_terminal_that_is_held_holds_up_nobody(window: Window) -> None:
    async def main() -> bytes:
        async with show_progress("auto", lambda: NOW):
            await asyncio.sleep(0)
            window.read()
            window.hold(held=True)
            await asyncio.sleep(60)
        return window.told

    with at_the_terminal(window):
        told = in_virtual_time(main())
    window.read()
    assert told
    assert window.told == told
    window.hold(held=False)


def test_a_terminal_that_has_gone_is_no_reason_to_stop(window: Window) -> None:
    async def main() -> None:
        async with show_progress("auto", lambda: NOW):
            await asyncio.sleep(0)
            window.leave()
            await asyncio.sleep(60)

    with at_the_terminal(window):
        in_virtual_time(main())

"""A terminal: a pseudo-terminal whose other end is a terminal emulator, to see what a person would see."""

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pyte

ENVIRON = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
# To hide the cursor, and to change to another screen.
_MODES = (b"\x1b[?25l", b"\x1b[?47h", b"\x1b[?1047h", b"\x1b[?1049h")


class Window:
    """`theirs` is the end that a program gets, `screen` what is seen of it, `told` all that was written."""

    def __init__(self, columns: int, lines: int) -> None:
        self._mine, self.theirs = os.openpty()
        os.set_blocking(self._mine, False)
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.told = b""
        self._changed = asyncio.Event()
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """As a person does with the mouse. What is too wide then is cut off, as in xterm."""
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if lines and columns:
            self.screen.resize(lines, columns)

    def hold(self, *, held: bool) -> None:
        """As a person does with Ctrl-S, and with Ctrl-Q."""
        termios.tcflow(self.theirs, termios.TCOOFF if held else termios.TCOON)

    @property
    def display(self) -> list[str]:
        """The lines that are seen, without what is blank at their ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> list[str]:
        """All lines that were told and not drawn over, those that have scrolled out of sight included."""
        gone = ["".join(line[column].data for column in range(self.screen.columns)) for line in self.screen.history.top]
        return [*(line.rstrip() for line in gone), *self.display]

    @property
    def is_as_it_was(self) -> bool:
        """Whether the cursor is shown, at the beginning of a line with nothing on it; and never another screen was."""
        free = not self.display[self.screen.cursor.y] and self.screen.cursor.x == 0
        return free and not self.screen.cursor.hidden and not any(mode in self.told for mode in _MODES)

    def read(self) -> None:
        """Take in what has come."""
        with suppress(OSError):  # nothing more, or nobody has the other end any more
            while data := os.read(self._mine, 1 << 16):
                self.show(data)

    def show(self, data: bytes) -> None:
        """This has come."""
        self.told += data
        self._stream.feed(data)
        self._changed.set()

    async def until(self, seen: Callable[[], object], within_s: float = 60) -> None:
        """Wait until something is seen."""
        async with asyncio.timeout(within_s):
            while not seen():
                self._changed.clear()
                await self._changed.wait()

    def leave(self) -> None:
        """As a person does who closes it."""
        os.close(self._mine)

    def close(self) -> None:
        """Nothing is left of it."""
        for end in (self._mine, self.theirs):
            with suppress(OSError):
                os.close(end)


@asynccontextmanager
async def watched_window(columns: int = 80, lines: int = 24) -> AsyncIterator[Window]:
    """A terminal that somebody looks at."""
    found, loop = Window(columns, lines), asyncio.get_running_loop()
    loop.add_reader(found._mine, found.read)
    try:
        yield found
    finally:
        loop.remove_reader(found._mine)
        found.close()

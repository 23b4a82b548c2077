"""A terminal whose last lines are drawn again and again, while what else is told stands above them.

It is left as it is at any moment: the cursor is shown and stands below, no other screen is used. So nothing has to be
put right however the program ends, be it by a signal that nobody can catch.
"""

import io
import os
import select
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

_USUAL = os.terminal_size((80, 24))


class Terminal(io.TextIOBase):
    """Draws on the stream of a terminal. What is written to it comes above what is drawn, a whole line at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._lines: Sequence[Text] = ()
        self._unfinished = ""

    @property
    def can_draw(self) -> bool:
        """Whether it understands how a cursor is moved, and has the letters."""
        return not self._console.is_dumb_terminal and self._console.encoding.startswith("utf")

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _USUAL
        return found if found.columns and found.lines else _USUAL

    def draw(self, lines: Sequence[Text]) -> None:
        """Draw these lines in place of those before, unless the terminal is held: that must not hold the run.

        Raises:
            OSError: The terminal is gone.
        """
        if select.select([], [self._stream], [], 0)[1]:
            self._show("", lines)

    def write(self, text: str, /) -> int:
        """Tell something above what is drawn."""
        whole, newline, self._unfinished = (self._unfinished + text).rpartition("\n")
        if newline:
            self._show(whole + newline, self._fitting())
        return len(text)

    def _show(self, above: str, lines: Sequence[Text]) -> None:
        with self._console:  # one write: nobody sees half of it
            self._console.control(self._erase())
            self._console.out(above, highlight=False, end="")
            for line in lines:
                self._console.print(line, soft_wrap=True)
        self._lines = lines

    def _fitting(self) -> list[Text]:
        """What is drawn, as far as it fits into a terminal that has become smaller since."""
        columns, height = self.size
        lines = [line.copy() for line in self._lines[: height - 1]]
        for line in lines:
            line.truncate(columns)
        return lines

    def _erase(self) -> Control:
        # A terminal that has become narrower has broken the lines that were wider: they are more than were drawn.
        columns = self.size.columns
        drawn = sum(max(1, -(-line.cell_len // columns)) for line in self._lines)
        erase = (ControlType.ERASE_IN_LINE, 2)
        return Control(ControlType.CARRIAGE_RETURN, erase, *drawn * ((ControlType.CURSOR_UP, 1), erase))

"""The tables of this directory, read."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.golden.sources import COLORS
from worker.oss.encoding import to_base64

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Probe:
    """A pixel and its colour; a red of -1 stands for any colour with this alpha."""

    x: int
    y: int
    color: tuple[int, int, int, int]


@dataclass(frozen=True)
class Rendition:
    source: str
    process: str
    format: str
    size: tuple[int, int]
    alpha: bool
    frames: int
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class Refused:
    source: str
    process: str
    status: int
    code: str
    ec: str | None
    message: str


def renditions() -> list[Rendition]:
    rows = []
    for source, process, shape, places in _rows("renditions.txt"):
        format_name, size, alpha, frames = shape.split()
        width, height = map(int, size.split("x"))
        probes = tuple(map(_probe, places.split()))
        rows.append(Rendition(source, process, format_name, (width, height), alpha == "a", int(frames), probes))
    return rows


def refusals() -> list[Refused]:
    rows = []
    for source, process, answer, message in _rows("refusals.txt"):
        status, code, ec = answer.split()
        rows.append(Refused(source, process, int(status), code, None if ec == "-" else ec, message))
    return rows


def _rows(name: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for line in (_HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            source, process, shape, rest = (part.strip().replace("\\|", "|") for part in re.split(r"(?<!\\)\|", line))
            rows.append((source, re.sub(r"\{(.*?)\}", lambda found: to_base64(found[1]), process), shape, rest))
    return rows


def _probe(text: str) -> Probe:
    place, _, color = text.partition("=")
    x, y = map(int, place.split(","))
    if color.startswith("?"):
        return Probe(x, y, (-1, 0, 0, int(color[1:], 16)))
    found = COLORS.get(color) or tuple(bytes.fromhex(color.ljust(8, "f")))
    red, green, blue, alpha = found
    return Probe(x, y, (red, green, blue, alpha))

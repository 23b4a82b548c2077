"""Specimens: which saved pictures a person is shown, of all that a run has saved."""

from dataclasses import dataclass
from enum import StrEnum

from worker.batch.extremes import Greatest
from worker.batch.record import Record

_ID_DIGITS = 16


class Why(StrEnum):
    """Why a picture is shown."""

    RANDOM = "random"
    SHRUNK = "biggest shrink"
    GREW = "biggest growth"


@dataclass(frozen=True, slots=True)
class Specimen:
    """A saved line, and why its pictures are shown."""

    line: Record
    why: Why


class Specimens:
    """Half of them at random, a quarter of those that shrank most, a quarter of those that grew most.

    Which are random is settled by the ids of tasks and a seed: the same lines and seed give the same ones.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed % 16**_ID_DIGITS
        self._random: Greatest[Record] = Greatest(count)
        self._shrunk: Greatest[Record] = Greatest(count)
        self._grew: Greatest[Record] = Greatest(count)

    def offer(self, line: Record) -> None:
        """Take in a line whose target is saved."""
        # Ids are digests, evenly spread over all numbers; a seed turns them into another order.
        self._random.offer(int((line.task or "0")[:_ID_DIGITS], 16) ^ self._seed, line)
        before, after = line.source.size, line.target.size if line.target else None
        if before and after:
            if after < before:
                self._shrunk.offer(before / after, line)
            elif after > before:
                self._grew.offer(after / before, line)

    @property
    def chosen(self) -> list[Specimen]:
        """The specimens, each target once; more at random where fewer shrank or grew."""
        quarter = self._count // 4
        found: dict[tuple[str, str], Specimen] = {}
        for lines, why, wanted in (
            (self._shrunk.items, Why.SHRUNK, quarter),
            (self._grew.items, Why.GREW, quarter),
            (self._random.items, Why.RANDOM, self._count),
        ):
            most = min(self._count, len(found) + wanted)
            for line in lines:
                if line.target is not None and len(found) < most:
                    found.setdefault((line.target.bucket, line.target.key), Specimen(line, why))
        return sorted(found.values(), key=lambda one: list(Why).index(one.why))

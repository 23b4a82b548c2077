"""What got worse since another run: exactly that."""

import random

import pytest

from tests.unit.test_figures import line, taken
from worker.batch.comparison import MOST_TARGETS, Lost, regressions
from worker.batch.figures import Figures
from worker.batch.record import ErrorRecord, Record, Status


def a_run(seed: int, *, slow: float = 1.0, rate: float = 50.0, damaged: int = 20, timeouts: int = 0) -> list[Record]:
    """A thousand tasks; which of them fail, and how long each takes, differs from seed to seed."""
    rng = random.Random(seed)
    failed = [("ImageDamage", damaged), ("Timeout", timeouts)]
    codes = [code for code, count in failed for _ in range(count)]
    codes += [""] * (1000 - len(codes))
    rng.shuffle(codes)
    return [
        line(
            f"{number:04}",
            Status.FAILED if code else Status.SAVED,
            number / rate,
            duration_ms=slow * rng.lognormvariate(4, 0.4),
            error=ErrorRecord(code, 400, "", "", permanent=True) if code else None,
        )
        for number, code in enumerate(codes)
    ]


def worse(now: Figures, before: Figures, lost: int = 0) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in regressions(now, before, lost)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"damaged": 25}, []),
        ({"rate": 45.0, "slow": 1.1}, []),
        ({"rate": 30.0}, [("throughput", "")]),
        ({"slow": 1.5}, [("p95", "")]),
        ({"damaged": 60}, [("errors", "ImageDamage")]),
        ({"timeouts": 1}, [("errors", "Timeout")]),
        (
            {"rate": 30.0, "slow": 1.5, "timeouts": 40},
            [("errors", "Timeout"), ("throughput", ""), ("p95", "")],
        ),
        ({"rate": 80.0, "slow": 0.5, "damaged": 0}, []),
    ],
)
def test_exactly_what_was_made_worse_is_named(changes: dict[str, float], found: list[tuple[str, str]]) -> None:
    for seed in range(3):
        now, before = taken(a_run(seed, **changes)), taken(a_run(seed + 100))  # type: ignore[arg-type] # counts are whole
        assert worse(now, before) == found


def test_errors_are_measured_by_how_many_tasks_there_were() -> None:
    before, now = taken(a_run(1)), taken([*a_run(2), *a_run(3)])
    assert worse(now, before) == []
    assert ("errors", "ImageDamage") in worse(taken(a_run(2, damaged=40)), now)
    assert worse(before, Figures()) == [("errors", "ImageDamage")]
    assert worse(Figures(), before) == []
    assert worse(now, before, lost=2) == [("targets", "")]


def test_a_target_is_lost_that_was_saved_then_and_has_failed_now() -> None:
    lost = Lost()
    for key in ("a", "b"):
        lost.note_failed(line(key, Status.FAILED))
    lost.note_failed(line("row", Status.FAILED, target=None))
    for one in (line("a"), line("a"), line("b", Status.FAILED), line("c"), line("row", target=None)):
        lost.note_before(one)
    assert (lost.count, [one.source.key for one in lost.lines]) == (1, ["a"])
    for number in range(MOST_TARGETS + 1):
        lost.note_failed(line(f"m{number}", Status.FAILED))
        lost.note_before(line(f"m{number}"))
    assert (lost.count, len(lost.lines)) == (MOST_TARGETS + 2, MOST_TARGETS)

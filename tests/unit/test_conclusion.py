"""How a run ended, by what its processes have done."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from worker.batch.record import ErrorRecord, Status
from worker.conclusion import Circumstances, how_it_ended, summarize
from worker.dispatch.outcome import Outcome, Trouble
from worker.dispatch.stopping import Reason
from worker.dispatch.tally import Tally
from worker.errors import Exit


def outcome(
    saved: int = 0,
    failed: int = 0,
    left: int = 0,
    *,
    stopped: Reason | None = None,
    closed: bool = False,
    refused: bool | None = False,
    troubles: tuple[Exit, ...] = (),
    sent: int = 5,
) -> Outcome:
    tally = Tally(saved + failed + left)
    tally.lines.update({Status.SAVED: saved, Status.FAILED: failed})
    return Outcome(
        tally=tally,
        complete=not (left or stopped or closed),
        stopped=stopped,
        closed=closed,
        refused=refused,
        sent=sent,
        troubles=[Trouble(code, "told") for code in troubles],
    )


def exit_of(*outcomes: Outcome, accept: int = 0) -> Exit:
    total = Tally()
    for one in outcomes:
        total.add(one.tally)
    return how_it_ended(outcomes, total, None, accept)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(5)], Exit.OK),
        ([outcome(5), outcome(7)], Exit.OK),
        ([outcome(5), outcome(7, 1)], Exit.FAILED),
        ([outcome(5, left=1, stopped=Reason.SIGNAL)], Exit.INTERRUPTED),
        ([outcome(5), outcome(5, left=1, stopped=Reason.SIGNAL)], Exit.INTERRUPTED),
        ([outcome(5, left=1, stopped=Reason.DURATION), outcome(5)], Exit.UNFINISHED),
        ([outcome(5, left=1, closed=True)], Exit.UNFINISHED),
        ([outcome(5, 1, left=1, closed=True)], Exit.UNFINISHED),
        # What one process met is what the run ends with: the others stopped for it.
        (
            [outcome(5, stopped=Reason.FAILURES, troubles=(Exit.STOPPED,)), outcome(left=2, stopped=Reason.PEER)],
            Exit.STOPPED,
        ),
        ([outcome(stopped=Reason.RESULTS, troubles=(Exit.RESULTS,)), outcome(1, 1, stopped=Reason.PEER)], Exit.RESULTS),
        # Nobody says why it was not finished.
        ([outcome(5), outcome(5, left=1)], Exit.UNEXPECTED),
        # Refused is what all say who have heard anything.
        ([outcome(failed=5, refused=True), outcome(refused=None, sent=0)], Exit.REFUSED),
        ([outcome(failed=5, refused=True), outcome(5)], Exit.FAILED),
        ([outcome(5, 5, refused=True)], Exit.FAILED),
        # Where only some say so the run was stopped, it did not end.
        (
            [outcome(failed=3, left=1, stopped=Reason.ACCESS, refused=True), outcome(5, left=1, stopped=Reason.PEER)],
            Exit.STOPPED,
        ),
        (
            [outcome(failed=3, stopped=Reason.ACCESS, refused=True), outcome(5, left=1, stopped=Reason.PEER)],
            Exit.STOPPED,
        ),
        ([outcome(5, 3, left=1, stopped=Reason.ACCESS, refused=True)], Exit.STOPPED),
        # Whatever has failed or may fail beside.
        ([outcome(5, 3, left=1, stopped=Reason.PEER)], Exit.UNEXPECTED),
        ([outcome(refused=None, sent=0)], Exit.OK),
        # "Nothing was sent" and "nothing was saved" are told only where it is true.
        ([outcome(left=1, sent=0, stopped=Reason.SOURCES, troubles=(Exit.USAGE,))], Exit.USAGE),
        ([outcome(left=1, sent=0, stopped=Reason.SOURCES, troubles=(Exit.USAGE,)), outcome(5)], Exit.STOPPED),
        ([outcome(left=1, stopped=Reason.SOURCES, troubles=(Exit.REFUSED,))], Exit.REFUSED),
        ([outcome(1, left=1, stopped=Reason.SOURCES, troubles=(Exit.REFUSED,))], Exit.STOPPED),
    ],
)
def test_a_run_ends_as_its_processes_say(outcomes: list[Outcome], expected: Exit) -> None:
    assert exit_of(*outcomes) is expected
    assert exit_of(*reversed(outcomes)) is expected


def test_so_many_may_fail() -> None:
    assert exit_of(outcome(5, 2), outcome(5, 1), accept=3) is Exit.OK
    assert exit_of(outcome(5, 2), outcome(5, 2), accept=3) is Exit.FAILED
    denied = outcome(failed=3, left=1, stopped=Reason.ACCESS, refused=True)
    assert exit_of(denied, outcome(5, left=1, stopped=Reason.PEER), accept=3) is Exit.STOPPED


BROKEN = ErrorRecord("ImageDamage", 400, "", "broken", permanent=True)


@pytest.mark.parametrize(
    ("met", "troubles", "expected"),
    [
        (None, (), None),
        (None, (Exit.UNEXPECTED,), {"message": "told"}),
        (None, (Exit.STOPPED, Exit.UNEXPECTED), {"message": "told"}),
        # Sent already, so that it ends with another code than that of the trouble.
        (None, (Exit.USAGE,), {"message": "told"}),
        (BROKEN, (), {"code": "ImageDamage"}),
        (BROKEN, (Exit.STOPPED,), {"code": "ImageDamage"}),
        # No broken picture makes a process die, or a disk full.
        (BROKEN, (Exit.UNEXPECTED,), {"message": "told"}),
        (BROKEN, (Exit.RESULTS,), {"message": "told"}),
    ],
)
def test_the_first_error_says_why_it_ended_so(
    met: ErrorRecord | None, troubles: tuple[Exit, ...], expected: dict[str, str] | None
) -> None:
    one = outcome(3, 1 if met else 0, left=2 if troubles else 0, stopped=Reason.PEER if troubles else None)
    one.tally.first_error = met
    one = replace(one, troubles=[Trouble(code, "told") for code in troubles])
    about = Circumstances(
        command="run",
        job="copies",
        run="r",
        shard="0/1",
        proc="p",
        endpoint="local",
        ended=datetime(2026, 11, 24, tzinfo=UTC),
        took_s=1.0,
        manifest_digest="",
        settings_digest="",
        processes=(),
        requests={},
        events=(),
        notes=(),
    )
    found = summarize([one], None, 0, about)
    assert found.notes == ["told"] * len(troubles)
    assert found.first_error is None if expected is None else expected.items() <= (found.first_error or {}).items()

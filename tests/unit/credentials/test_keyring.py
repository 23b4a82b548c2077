"""One key for everybody: renewed before its end, by one fetch at a time, whatever its source does."""

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import in_virtual_time, now_s
from tests.issuers import key
from worker.credentials.keyring import Keyring
from worker.credentials.source import Lease
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.codes import Remedy
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure

HOUR_S = 3600.0
DOWN = StoppedError("no answer from STS: refused")


@dataclass
class Issued:
    """A source that answers by a script; the last entry again and again. A lifetime makes the next key."""

    answers: list[float | Lease | WorkerError | None]
    takes_s: float = 0.0
    name: str = "a source"
    at_s: list[float] = field(default_factory=list)

    async def fetch(self) -> Lease:
        self.at_s.append(now_s())
        number = len(self.at_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(self.takes_s)
        if isinstance(answer, WorkerError):
            raise answer
        return answer if isinstance(answer, Lease) else Lease(key(number), answer)


class Low(random.Random):
    """Always the lowest: a margin without its random part."""

    def random(self) -> float:
        return 0.0


@dataclass
class Heard:
    lines: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, message: str, level: int = logging.INFO, **fields: object) -> None:
        self.lines.append((level, f"{message} {fields}"))

    @property
    def warnings(self) -> list[str]:
        return [text for level, text in self.lines if level == logging.WARNING]


def keyring(source: Issued, heard: Heard | None = None, rng: random.Random | None = None) -> Keyring:
    return Keyring(source, now_s, asyncio.sleep, rng or Low(), heard or Heard())


def run(main: Coroutine[Any, Any, None]) -> None:
    in_virtual_time(main)


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - now_s())


def test_a_key_is_fetched_once_and_given_to_everybody() -> None:
    async def main() -> None:
        source = Issued([HOUR_S], takes_s=1)
        keys = keyring(source)
        assert set(await asyncio.gather(*(keys.get() for _ in range(50)))) == {key(1)}
        assert await keys.get() == key(1)
        assert keys.holds(key(1))
        assert not keys.holds(key(2))
        assert source.at_s == [0]

    run(main())


@pytest.mark.parametrize(
    ("lifetime_s", "due_s"), [(HOUR_S, 2700), (12 * HOUR_S, 12 * HOUR_S - 900), (900, 675), (2, 1.5), (0.4, 0.3)]
)
def test_a_key_is_renewed_beside_the_work_when_a_quarter_of_its_life_or_15_minutes_are_left(
    lifetime_s: float, due_s: float
) -> None:
    async def main() -> None:
        source = Issued([lifetime_s], takes_s=0.01 * lifetime_s)
        keys = keyring(source)
        await keys.start()
        await until(due_s * 0.999)
        assert await keys.get() == key(1)
        await until(due_s * 1.001)
        assert source.at_s == [0]
        assert await keys.get() == key(1)  # the old one: the new one is on its way
        await asyncio.sleep(0.02 * lifetime_s)
        assert await keys.get() == key(2)
        assert source.at_s == [0, pytest.approx(due_s * 1.001)]

    run(main())


@given(rng=st.randoms(use_true_random=False), lifetime_s=st.floats(0.1, 50_000))
def test_renewals_of_many_processes_are_spread_but_never_late(rng: random.Random, lifetime_s: float) -> None:
    async def main() -> None:
        keys = keyring(Issued([lifetime_s]), rng=rng)
        await keys.start()
        held = keys._held
        assert held is not None
        margin_s = min(900, lifetime_s / 4)
        assert lifetime_s - margin_s * 1.25 - 1e-6 <= held.due_s <= lifetime_s - margin_s + 1e-6
        assert held.due_s < held.last_s < held.end_s

    run(main())


def test_renewals_begin_by_chance_up_to_a_quarter_of_the_margin_earlier() -> None:
    class High(random.Random):
        def random(self) -> float:
            return 1.0

    async def main() -> None:
        keys = keyring(Issued([HOUR_S]), rng=High())
        await keys.start()
        assert keys._held is not None
        assert keys._held.due_s == HOUR_S - 1.25 * 900

    run(main())


def test_a_key_near_its_end_is_not_used_where_a_new_one_is_to_be_had() -> None:
    async def main() -> None:
        source = Issued([HOUR_S, HOUR_S], takes_s=2)
        keys = keyring(source)
        await keys.start()
        await until(HOUR_S - 5)
        assert await keys.get() == key(2)
        assert now_s() == HOUR_S - 3

    run(main())


def test_a_failed_renewal_is_only_a_warning_while_the_old_key_is_valid() -> None:
    async def main() -> None:
        source, heard = Issued([HOUR_S, DOWN]), Heard()
        keys = keyring(source, heard)
        await keys.start()
        for at_s in range(2700, 3600, 5):
            await until(at_s)
            assert await keys.get() == key(1)
        # Told once, and tried again with growing pauses.
        (warning,) = heard.warnings
        assert warning.startswith("the key could not be renewed, the old one is still used; will be tried again {")
        assert "'error': 'no answer from STS: refused'" in warning
        assert 90 < len(source.at_s) <= 182
        await until(3600.1)
        failed = await keys.get()
        assert isinstance(failed, Failure)
        assert (failed.code, failed.remedy, failed.declined) == ("CredentialsUnavailable", Remedy.WAIT, True)
        assert failed.message == "no answer from STS: refused"

    run(main())


def test_an_issuer_that_comes_back_is_used_again() -> None:
    async def main() -> None:
        source, heard = Issued([DOWN, DOWN, DOWN, DOWN, HOUR_S]), Heard()
        keys = keyring(source, heard)
        await keys.start()
        while isinstance(await keys.get(), Failure):  # noqa: ASYNC110 - as requests do
            await asyncio.sleep(0.1)
        assert await keys.get() == key(5)
        waits = [later - earlier for earlier, later in zip(source.at_s, source.at_s[1:], strict=False)]
        assert waits == pytest.approx([0.5, 1, 2, 4], abs=0.11)
        assert len(heard.warnings) == 1
        assert not any(key(5).access_key_secret in text or key(5).access_key_id in text for _, text in heard.lines)

    run(main())


@pytest.mark.parametrize("error", [UsageError("wrong", "mend it"), AccessError("refused\n    mend: x")])
def test_what_is_wrong_or_refused_at_first_ends_it_and_later_is_waited_for(error: WorkerError) -> None:
    async def main() -> None:
        with pytest.raises(type(error)):
            await keyring(Issued([error])).start()
        keys = keyring(Issued([HOUR_S, error]))
        await keys.start()
        await until(HOUR_S)
        failed = await keys.get()
        assert isinstance(failed, Failure)
        assert (failed.remedy, failed.message) == (Remedy.WAIT, "wrong" if isinstance(error, UsageError) else "refused")

    run(main())


def test_a_source_that_says_no_end_is_looked_at_every_minute() -> None:
    async def main() -> None:
        old, new = Credentials("old", "x"), Credentials("new", "y")
        source = Issued([Lease(old), Lease(old), Lease(new)])
        keys = keyring(source)
        used = []
        for at_s in range(0, 200, 10):
            await until(at_s)
            used.append(await keys.get())
        assert source.at_s == [0, 60, 120, 180]
        assert used == [old] * 13 + [new] * 7

    run(main())


def test_a_refused_key_is_renewed_by_one_fetch_for_all_who_meet_it() -> None:
    async def main() -> None:
        source = Issued([HOUR_S], takes_s=1)
        keys = keyring(source)
        await keys.start()
        assert await asyncio.gather(*(keys.renew(key(1)) for _ in range(20))) == [True] * 20
        assert source.at_s == [0, 1]
        assert await keys.renew(key(1))  # there is another already
        assert len(source.at_s) == 2

    run(main())


def test_a_source_without_another_key_is_asked_no_more_than_once_a_second() -> None:
    async def main() -> None:
        same = Lease(Credentials("id", "x"))
        source = Issued([same])
        keys = keyring(source)
        await keys.start()
        await until(0.1)
        for begun_s in (0.1, 1.1, 1.9):
            await until(begun_s)
            assert await asyncio.gather(*(keys.renew(same.credentials) for _ in range(20))) == [False] * 20
        assert source.at_s == [0, 1, 2]

    run(main())


def test_a_look_that_began_before_the_refusal_says_nothing() -> None:
    async def main() -> None:
        old = Lease(Credentials("old", "x"))
        source = Issued([old, old, HOUR_S], takes_s=0.5)
        keys = keyring(source)
        await keys.start()
        await until(61)
        assert await keys.get() == old.credentials  # and begins to look
        await until(61.2)
        assert await keys.renew(old.credentials) is True
        assert source.at_s == [0, 61, 62]

    run(main())


def test_a_refused_key_where_the_issuer_is_down_is_an_outage() -> None:
    async def main() -> None:
        source = Issued([HOUR_S, DOWN, HOUR_S])
        keys = keyring(source)
        await keys.start()
        await until(5)
        for _ in range(2):  # the second one does not ask: a moment ago nobody answered
            failed = await keys.renew(key(1))
            assert isinstance(failed, Failure)
            assert failed.message == "the service refuses the key; no answer from STS: refused"
        assert source.at_s == [0, 5]
        await until(10)
        assert await keys.renew(key(1)) is True
        assert await keys.get() == key(3)

    run(main())


def test_who_stops_waiting_stops_the_fetch_for_nobody_else() -> None:
    async def main() -> None:
        source = Issued([HOUR_S], takes_s=10)
        keys = keyring(source)
        impatient, patient = asyncio.create_task(keys.get()), asyncio.create_task(keys.get())
        await asyncio.sleep(1)
        impatient.cancel()
        assert await patient == key(1)
        assert impatient.cancelled()
        assert source.at_s == [0]

    run(main())


def test_closing_ends_a_fetch_that_is_going_on() -> None:
    async def main() -> None:
        keys = keyring(Issued([HOUR_S], takes_s=1000))
        waiting = asyncio.create_task(keys.get())
        await asyncio.sleep(1)
        await keys.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert now_s() == 1
        await keyring(Issued([HOUR_S])).close()

    run(main())

"""Reading with a second process: it says what one process says, whatever is in the segments, and ends in time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fakes import EPOCH, numbered, record
from tests.unit.results.history import PLACE, SEGMENTS, Line, lines
from tests.unit.results.objects import Objects
from worker.batch.fact import entries_of
from worker.batch.ledger import Ledger
from worker.batch.record import encode
from worker.batch.task import Shard
from worker.errors import ResultsError, UsageError
from worker.results.apart import _ANSWER, _QUESTION, WORTH_BYTES, Apart, main, second_process
from worker.results.directory import DirectoryStore
from worker.results.lines import BadLine, Covered, Take, refuse
from worker.results.loading import read_facts, read_ledger, survey
from worker.results.reading import PIECE_BYTES, Span, read_spans
from worker.results.store import Stored

WHOLE = Shard(0, 1)
PARENT = """
import asyncio
from tests.unit.results.test_apart import MANY, WHOLE, helping

async def main():
    async with helping() as helper:
        assert await helper.entries_of(MANY, 0, WHOLE)
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
SOME = [Span(Stored("run/0-of-1.a.0.jsonl", 1, EPOCH))]
MANY = b"".join(encode(record(numbered(number), at_s=number)) for number in range(2000))
LATER = encode(record()).replace(b'"schema":1', b'"schema":2')
TAILS = [b"", b"\0" * 50, b"\0\n\n", b'{"schema":1}\n{"a', encode(record())[:-1], b"\n", LATER]


@asynccontextmanager
async def helping() -> AsyncIterator[Apart]:
    async with second_process(SOME, worth_bytes=0) as helper:
        if helper is None:
            pytest.skip("a second process needs a second core")
        yield helper


@pytest.fixture
async def helper() -> AsyncIterator[Apart]:
    async with helping() as found:
        yield found


Reading = tuple[str, list[tuple[int, bytes]], dict[str, Covered], list[str], list[BadLine]]


async def reading(objects: Objects, shard: Shard, helper: Apart | None, *, quarantine: bool = False) -> Reading:
    """All that can be told of a reading, its error included; then the ledger is of no use."""
    store, ledger = objects.store(), Ledger(shard)
    warnings: list[str] = []
    aside: list[BadLine] = []
    found = await survey(store)
    set_aside = aside.append if quarantine else refuse
    try:
        covered = await read_facts(
            store, found.uncovered(shard), ledger, found.names, warnings.append, set_aside, helper=helper
        )
    except (ResultsError, UsageError) as error:
        return f"{type(error).__name__}: {error}", [], {}, warnings, aside
    return "", list(ledger.tables()), covered, warnings, aside


SEGMENT = st.tuples(st.lists(lines(st.integers(0, 3)), max_size=6), st.sampled_from(TAILS))
PARTS = st.lists(SEGMENT, min_size=1, max_size=3)


# One process for all examples: what is left of one would show in the next.
@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(SEGMENTS), PARTS, min_size=1, max_size=9),
    st.sampled_from([Shard(0, 1), Shard(0, 1), Shard(0, 2), Shard(2, 3)]),
    st.booleans(),
    st.sampled_from([0, 0, 1, 7, 400, 900]),
)
async def test_any_segments_say_the_same_to_two_processes_as_to_one(
    helper: Apart, segments: dict[str, list[tuple[list[Line], bytes]]], shard: Shard, quarantine: bool, torn: int
) -> None:
    objects = Objects()
    for name, parts in segments.items():
        content = b"".join(b"".join(encode(line.record) for line in part) + tail for part, tail in parts)
        objects.contents[PLACE + name] = content[: max(0, len(content) - torn)]
    alone = await reading(objects, shard, None, quarantine=quarantine)
    assert await reading(objects, shard, helper, quarantine=quarantine) == alone


@pytest.mark.parametrize("shard", [WHOLE, Shard(1, 3)])
async def test_the_second_process_makes_what_we_would_make(helper: Apart, shard: Shard) -> None:
    assert await helper.entries_of(MANY, 70_000, shard) == entries_of(MANY, 70_000, shard)
    nothing = encode(record(task=numbered(1), target=None))
    assert await helper.entries_of(nothing, 0, shard) == b""


@pytest.mark.parametrize("bad", [b"{}\n", b"\n", LATER, b"\0" * 99])
async def test_a_bad_line_is_left_to_us(helper: Apart, bad: bytes) -> None:
    assert await helper.entries_of(MANY + bad, 0, WHOLE) is None
    assert await helper.entries_of(MANY, 0, WHOLE) == entries_of(MANY, 0, WHOLE)


async def test_two_blocks_of_three_are_made_apart_and_all_are_taken_in_their_order() -> None:
    objects, taken = Objects(), list[str]()
    for number in range(10):
        objects.contents[f"{PLACE}run/0-of-1.a.{number}.jsonl"] = encode(record()) * (number + 1)
    store = objects.store()
    spans = (await survey(store)).uncovered(WHOLE)

    async def apart(name: str, block: bytes) -> str:
        for _ in range(20 - len(block) // 100):  # the later, the sooner
            await asyncio.sleep(0)
        return f"{name} apart"

    def take_of(name: str) -> Take[str]:
        return Take(lambda _: f"{name} here", taken.append)

    covered = await read_spans(store, spans, take_of, pytest.fail, apart=apart)
    places = ["apart", "apart", "here"] * 4
    assert taken == [f"run/0-of-1.a.{number}.jsonl {places[number]}" for number in range(10)]
    assert [done.lines for done in covered.values()] == list(range(1, 11))


async def test_segments_of_several_pieces_are_read_alike(helper: Apart) -> None:
    objects = Objects()
    objects.contents[PLACE + SEGMENTS[0]] = MANY * 20
    objects.contents[PLACE + SEGMENTS[1]] = MANY * 7 + b"\0" * (PIECE_BYTES + 5)
    assert len(objects.contents[PLACE + SEGMENTS[0]]) > 3 * PIECE_BYTES
    alone = await reading(objects, WHOLE, None)
    assert alone[2][SEGMENTS[0]].lines == 40_000
    assert await reading(objects, WHOLE, helper) == alone


async def test_a_process_that_is_killed_is_done_without(helper: Apart) -> None:
    objects = Objects()
    for name in SEGMENTS[:9]:
        objects.contents[PLACE + name] = MANY
    alone = await reading(objects, WHOLE, None)
    helper.process.kill()
    assert await reading(objects, WHOLE, helper) == alone
    assert await helper.entries_of(MANY, 0, WHOLE) is None


async def test_a_process_that_cannot_be_had_is_done_without() -> None:
    async with second_process(SOME, 0, ["/nowhere/python"]) as helper:
        assert helper is None


@pytest.mark.parametrize("answer", [b"", b"\0" * 7, _ANSWER.pack(100) + b"x"])
async def test_a_process_that_ends_within_its_answer_is_done_without(answer: bytes) -> None:
    ends = f"import sys; sys.stdin.buffer.read(100); sys.stdout.buffer.write({answer!r})"
    async with second_process(SOME, 0, [sys.executable, "-c", ends]) as helper:
        assert helper is None or await helper.entries_of(encode(record()), 0, WHOLE) is None


def children_s() -> float:
    """The processor time of all children that have ended."""
    return os.times().children_user


async def test_a_short_log_is_read_by_one_process() -> None:
    async with second_process(SOME) as helper:
        assert helper is None


async def test_a_long_log_is_read_by_two_processes(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (tmp_path / "run/0-of-1.a.0.jsonl").open("wb") as file:
        for _ in range(WORTH_BYTES // len(MANY) + 1):
            file.write(MANY)
    before_s = children_s()
    assert len(await read_ledger(DirectoryStore(tmp_path), WHOLE, pytest.fail)) == 2000
    async with helping():
        assert children_s() > before_s


async def test_it_ends_when_reading_is_given_up() -> None:
    begun = asyncio.Event()
    processes = []

    async def read() -> None:
        async with helping() as helper:
            processes.append(helper.process)
            asking = asyncio.create_task(helper.entries_of(MANY * 100, 0, WHOLE))
            begun.set()
            await asking

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert processes[0].returncode == -signal.SIGKILL


def test_it_ends_with_its_parent_whatever_becomes_of_that() -> None:
    # The second process has the standard error of the first: it is at its end when both are.
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent:
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert parent.stderr.read() == b""


def test_questions_are_answered_until_one_is_cut_off() -> None:
    question = _QUESTION.pack(7, 0, 1, len(MANY)) + MANY
    expected = entries_of(MANY, 7, WHOLE)
    for cut, answers in [(0, 2), (1, 1), (len(MANY) + 1, 1)]:
        answer = BytesIO()
        main(BytesIO((question + question)[: 2 * len(question) - cut]), answer)
        assert answer.getvalue() == (_ANSWER.pack(len(expected)) + expected) * answers
    bad = BytesIO()
    main(BytesIO(_QUESTION.pack(7, 0, 1, 3) + b"{}\n"), bad)
    assert bad.getvalue() == _ANSWER.pack(-1)

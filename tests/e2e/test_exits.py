"""Each exit code by a real process: alone, where several apply, and the word that it leaves for Kubernetes."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.desk import CONFIG, KEYS, MANIFEST, Desk, Ended, signalled_to_its_end, tells_a_secret, until
from tests.e2e.mounts import DEV, mounted, obstacle
from tests.e2e.test_endings import reconciled
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal
from worker.errors import Exit

Script = Callable[[Seen], Reply | None]
TASKS = 40
NOTHING = MANIFEST.replace("  - prefix: in/\n", "  - prefix: nothing/\n  - prefix: in/\n")
COLLIDES = NOTHING.replace("small/{key}", "small/all.jpg")
TYPO = MANIFEST.replace("pipelines:", "pipeline:")


def answers(status: int, code: str, only: str = "", methods: tuple[str, ...] = ("POST",)) -> Script:
    """A script that refuses requests for keys with this text."""
    return lambda seen: refusal(status, code) if seen.method in methods and only in seen.key else None


BROKEN = answers(400, "ImageDamage", "00002")
NO_STYLE = answers(404, "NoSuchStyle")
DENIED = answers(403, "AccessDenied")
DENIED_ALL = answers(403, "AccessDenied", methods=("POST", "PUT"))
NO_RESULTS = answers(403, "AccessDenied", methods=("PUT",))
BAD_KEY = answers(403, "InvalidAccessKeyId", methods=("GET", "POST"))


@dataclass(frozen=True, slots=True)
class Case:
    """What is done, and the exit that is due. `word` is what the first error says; `signalled`: in mid-run."""

    exit: Exit
    script: Script = lambda _: None
    args: tuple[str, ...] = ()
    manifest: str = MANIFEST
    results: str = "./results"
    signalled: bool = False
    begun_by: tuple[str, ...] = ()
    word: str = ""


ALONE = {
    "all is saved": Case(Exit.OK),
    "no files can be opened": Case(
        Exit.UNEXPECTED, begun_by=("sh", "-c", 'ulimit -n 7 && exec "$0" "$@"'), word="Too many open"
    ),
    "a broken picture": Case(Exit.FAILED, BROKEN, word="ImageDamage"),
    "a style that is not there": Case(Exit.STOPPED, NO_STYLE, word="NoSuchStyle"),
    "a limit": Case(Exit.UNFINISHED, args=("--limit", "7")),
    "a manifest with a typo": Case(Exit.USAGE, manifest=TYPO, word="pipeline"),
    "an option that is none": Case(Exit.USAGE, args=("--dance",), word="--dance"),
    "an entry without sources": Case(Exit.NOTHING_SELECTED, manifest=NOTHING),
    "results below a file": Case(Exit.RESULTS, args=("--results", "job.yaml/below"), word="Not a directory"),
    "a bucket of results that refuses": Case(Exit.RESULTS, NO_RESULTS, results="oss://results/logs"),
    "a signal": Case(Exit.INTERRUPTED, signalled=True),
    "a key that is unknown": Case(Exit.REFUSED, BAD_KEY, word="InvalidAccessKeyId"),
    "everything is denied": Case(Exit.REFUSED, DENIED, word="AccessDenied"),
}
# What comes first is told; each case brings about all the exits of its name.
TOGETHER = {
    "77 before 73 and 66": Case(Exit.REFUSED, DENIED_ALL, manifest=NOTHING, results="oss://results/logs"),
    "77 before 66 and 3": Case(Exit.REFUSED, DENIED, manifest=NOTHING),
    "73 before 66": Case(Exit.RESULTS, NO_RESULTS, manifest=NOTHING, results="oss://results/logs"),
    "4 before 66 and 3": Case(Exit.STOPPED, NO_STYLE, manifest=NOTHING),
    "75 before 66 and 3": Case(Exit.INTERRUPTED, BROKEN, manifest=NOTHING, signalled=True),
    "75 before 5 and 3": Case(Exit.INTERRUPTED, BROKEN, args=("--limit", "39"), signalled=True),
    "64 before 66": Case(Exit.USAGE, manifest=COLLIDES),
    "66 before 5 and 3": Case(Exit.NOTHING_SELECTED, BROKEN, args=("--limit", "30"), manifest=NOTHING),
    "5 before 3": Case(Exit.UNFINISHED, BROKEN, args=("--limit", "30")),
}
COUNTS = ("planned", "saved", "already_saved", "skipped", "failed", "not_attempted")


@asynccontextmanager
async def looked_at(desk: Desk) -> AsyncIterator[tuple[Sequence[str], bool]]:
    """What a command is begun by for its word to be left in the file `word`; whether that can be had here."""
    word = desk.write("word", b"")
    if obstacle():
        yield (), False
        return
    async with mounted(desk.path, DEV) as mounts:
        yield mounts.within, True
    assert word.exists()


async def ended_by(desk: Desk, case: Case, within: Sequence[str]) -> Ended:
    buckets: dict[str, dict[str, str]] = {"photos": keys_below("in/", TASKS), "renditions": {}, "results": {}}
    async with StandIn(buckets, case.script, delay_s=0.3 if case.signalled else 0.0) as server:
        desk.write("job.yaml", case.manifest)
        config = CONFIG.format(endpoint=server.url, rate=200, concurrency=4).replace("./results", case.results)
        desk.write("config.yaml", config)
        environ = {**KEYS, "OSS_SAVEAS_LOG__LEVEL": "debug"}
        process = await desk.start(
            "run", "job.yaml", "--json", *case.args, environ=environ, within=(*within, *case.begun_by)
        )
        if case.signalled:
            await until(lambda: len(server.posts) > 8)
            process.send_signal(signal.SIGTERM)
        if case.exit is not Exit.UNEXPECTED:
            return await desk.end(process)
        out, err = await process.communicate()
        assert b"please report it" in err
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


def assert_word(word: dict[str, Any], case: Case) -> None:
    """One line: how it ended, what was counted if anything was, and the first error."""
    assert word["exit"] == case.exit
    assert word["outcome"]
    assert case.word in json.dumps(word["first_error"])
    if "planned" in word:
        assert reconciled(word)
        assert set(COUNTS) <= set(word)


@pytest.mark.parametrize("name", [*ALONE, *TOGETHER])
async def test_each_exit(desk: Desk, name: str) -> None:
    case = (ALONE | TOGETHER)[name]
    async with AsyncExitStack() as stack:
        within, has_word = await stack.enter_async_context(looked_at(desk))
        ended = await ended_by(desk, case, within)
        assert (ended.code, ended.json["exit"]) == (case.exit, case.exit), ended.err
        if "and 3" in name or "before 3" in name:
            assert ended.json["failed"] > 0
        if case.manifest == NOTHING:
            assert any("selected nothing" in note for note in ended.json["notes"])
        for said in (ended.out, ended.err):
            assert not tells_a_secret(said.encode())
        if not has_word:
            pytest.skip(f"the exit code is right; what is left in /dev/termination-log was not looked at: {obstacle()}")
        (line,) = (desk.path / "word").read_text().splitlines()
        assert_word(json.loads(line), case)
        assert json.loads(line)["outcome"] == ended.json["outcome"]


async def test_a_signal_before_there_is_anything_to_tell_leaves_its_word_too(desk: Desk) -> None:
    desk.write("config.yaml", CONFIG.format(endpoint="http://127.0.0.1:9", rate=1, concurrency=1))
    os.mkfifo(desk.path / "job.yaml")
    async with AsyncExitStack() as stack:
        within, has_word = await stack.enter_async_context(looked_at(desk))
        process = await desk.start("run", "job.yaml", "--json", within=within)

        def is_reading() -> bool:
            try:
                stack.callback(os.close, os.open(desk.path / "job.yaml", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return False
            return True

        await until(is_reading)
        # Python looks for signals before it asks the system to read, which here does not end: one that comes between
        # the two waits for the next.
        await signalled_to_its_end(process, signal.SIGTERM)
        ended = await desk.end(process)
        assert (ended.code, ended.json["exit"], ended.json["outcome"]) == (75, 75, "interrupted")
        assert "a signal came" in ended.err
        if not has_word:
            pytest.skip(f"the exit code is right; what is left in /dev/termination-log was not looked at: {obstacle()}")
        (line,) = (desk.path / "word").read_text().splitlines()
        assert_word(json.loads(line), Case(Exit.INTERRUPTED, word="a signal came"))


def test_every_exit_is_brought_about() -> None:
    assert {case.exit for case in ALONE.values()} == set(Exit)

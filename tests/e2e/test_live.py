"""The live screen in a pseudo-terminal: what a person sees of a run; every ending leaves the terminal as it was."""

import re
import signal
from collections.abc import Mapping

import pytest

from tests.e2e.desk import MANIFEST, PATIENT, Desk, signalled_to_its_end, until
from tests.e2e.terminal import ENVIRON, Window, watched_window
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

AT_A_TERMINAL = {**PATIENT, **ENVIRON}
REQUEST = "5C3D9175B6FC201293AD4890"
EVIL = "in/\x1b[2J\n\u202e雪山 {}.jpg"
TWO = MANIFEST + '  - name: tiny\n    process: image/resize,w_2\n    target: {bucket: renditions, key: "tiny/{key}"}\n'


def row(window: Window, label: str) -> str:
    """The line of the screen that begins so."""
    return next((line for line in window.display if line.startswith(label)), "")


async def test_a_person_sees_how_a_run_goes_at_any_size_and_what_is_told_above_it(desk: Desk) -> None:
    def some_fail(seen: Seen) -> Reply | None:
        broken = refusal(400, "ImageDamage", "not a picture", x_oss_request_id=REQUEST)
        return broken if seen.method == "POST" and seen.key.endswith(("7.jpg", "3.jpg")) else None

    keys = dict.fromkeys((EVIL.format(f"{number:03}") for number in range(300)), "E")
    async with StandIn({"photos": keys, "renditions": {}}, some_fail) as server, watched_window() as window:
        desk.set_up(server, TWO, rate=40, concurrency=8)
        args = ("run", "job.yaml", "--processes", "2")
        process = await desk.start(*args, stderr=window.theirs, environ=AT_A_TERMINAL)
        await window.until(lambda: all(re.match(rf"{number} +[1-9]", row(window, f"{number} ")) for number in (0, 1)))
        await window.until(lambda: row(window, "   attempts").endswith(" ImageDamage"))
        assert re.match(r"progress     [1-9]\d* of 600 \(\d+ %\), [\d:]+ left, ", row(window, "progress"))
        assert re.match(r"requests     [\d.]+/s +of 40$", row(window, "requests"))
        assert re.match(r"in flight    \d+ +of 8$", row(window, "in flight"))
        assert re.match(r"small +\d+ +\d+ +0 +0$", row(window, "small"))
        assert any(line.endswith(f", request {REQUEST}") and " ImageDamage in " in line for line in window.display)
        assert any(r"photos/in/\x1b[2J\x0a\u202e" in line for line in window.display)
        window.resize(40, 10)
        await window.until(lambda: row(window, "and 2 more"))
        window.resize(100, 30)
        await window.until(lambda: re.match(r"small {30} ", row(window, "small")))
        process.send_signal(signal.SIGTERM)
        ended = await desk.end(process)
        await window.until(lambda: window.is_as_it_was)
        assert ended.code == 75
        assert any("warning task failed pipeline=" in line for line in window.text)
        assert len([line for line in window.display if line.startswith("progress ")]) == 1
    assert b"\x1b[2J" not in window.told


@pytest.mark.parametrize(
    ("args", "environ", "end", "code"),
    [
        ((), {}, signal.SIGTERM, 75),
        ((), {}, signal.SIGKILL, -signal.SIGKILL),
        (("--max-duration", "2s"), {}, None, 5),
        ((), {"OSS_SAVEAS_FAILURE__CANARY": "1"}, None, 4),
    ],
    ids=["two signals", "kill -9", "max-duration", "stopped"],
)
async def test_every_ending_leaves_the_terminal_as_it_was(
    desk: Desk, args: tuple[str, ...], environ: Mapping[str, str], end: signal.Signals | None, code: int
) -> None:
    def slow_or_wrong(seen: Seen) -> Reply | None:
        if seen.method != "POST":
            return None
        return refusal(404, "NoSuchStyle") if environ else Reply(delay_s=300 if end == signal.SIGTERM else 0.2)

    async with (
        StandIn({"photos": keys_below("in/", 200), "renditions": {}}, slow_or_wrong) as server,
        watched_window() as window,
    ):
        desk.set_up(server, concurrency=2)
        process = await desk.start("run", "job.yaml", *args, stderr=window.theirs, environ={**AT_A_TERMINAL, **environ})
        await window.until(lambda: row(window, "in flight"))
        if end is not None:
            await until(lambda: server.posts)
            await signalled_to_its_end(process, end)
        assert (await desk.end(process)).code == code
        await window.until(lambda: window.is_as_it_was)
        assert len([line for line in window.text if line.startswith("progress ")]) == 1


@pytest.mark.parametrize(
    ("source", "broken", "code"),
    [("in/", "", 0), ("in/", "00003.jpg", 3), ("elsewhere/", "", 66)],
    ids=["all saved", "one failed", "nothing selected"],
)
async def test_a_run_that_comes_to_its_end_leaves_the_terminal_as_it_was(
    desk: Desk, source: str, broken: str, code: int
) -> None:
    def damaged(seen: Seen) -> Reply | None:
        of_it = seen.method == "POST" and broken and seen.key.endswith(broken)
        return refusal(400, "ImageDamage") if of_it else None

    manifest = MANIFEST.replace("pipelines:", f"  - prefix: {source}0000\npipelines:")
    async with (
        StandIn({"photos": keys_below("in/", 30), "renditions": {}}, damaged, delay_s=0.2) as server,
        watched_window() as window,
    ):
        desk.set_up(server, manifest, concurrency=2)
        process = await desk.start("run", "job.yaml", stderr=window.theirs, environ=AT_A_TERMINAL)
        await window.until(lambda: row(window, "in flight"))
        assert (await desk.end(process)).code == code
        await window.until(lambda: window.is_as_it_was)

"""The first job, as shipped: the local OSS, its sample pictures, and what happens on the nights after."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.desk import Desk, Ended, until
from tests.emulator.pictures import jpeg

ROOT = Path(__file__).parents[2]
TASKS = 36
PIPELINES = 3
JOB = "jobs/quickstart.yaml"


def copy_of_the_project(desk: Desk) -> None:
    shutil.copytree(ROOT / "jobs", desk.path / "jobs")
    shutil.copy(ROOT / "config.yaml", desk.path)


async def run(desk: Desk) -> Ended:
    """A run without credentials in the environment: the local OSS has its own."""
    ended = await desk.run("run", JOB, "--rate", "2000", "--json", environ={})
    assert ended.code == 0, ended.err
    return ended


def picture(desk: Desk, line: dict[str, Any]) -> tuple[str | None, tuple[int, int]]:
    path = desk.path / "local-oss" / line["target"]["bucket"] / line["target"]["key"]
    assert path.stat().st_size == line["target"]["size"]
    with Image.open(path) as image:
        image.load()
        return image.format, image.size


async def test_the_first_run_saves_every_picture_and_the_second_sends_nothing(desk: Desk) -> None:
    copy_of_the_project(desk)
    first = await desk.run("run", JOB, environ={})
    assert first.code == 0, first.err
    assert first.out.startswith("Complete: every task of this run is saved, or was.")
    assert "This was a local run" in first.out
    assert "local" in first.err.splitlines()[0]

    lines = desk.lines("quickstart")
    assert [line["status"] for line in lines] == ["saved"] * TASKS
    assert len(desk.saved("quickstart")) == TASKS
    formats = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}
    for line in lines:
        found, size = picture(desk, line)
        assert found == formats[line["target"]["key"].rpartition(".")[2]], line
        match line["pipeline"]:
            case "thumb":
                assert size == (200, 200)
            case "card":
                # A small picture is not enlarged: `limit` is 1 unless a recipe says otherwise.
                assert size == ((320, 240) if line["source"]["key"] == "art/orbit.gif" else (640, 360))
            case "web":
                assert max(size) <= 1200

    second = await desk.run("run", JOB, environ={})
    assert second.code == 0
    assert "POSTs sent     0" in second.out
    assert f"already saved  {TASKS}" in second.out
    assert len(desk.lines("quickstart")) == TASKS


async def test_a_replaced_source_is_processed_again_and_no_other(desk: Desk) -> None:
    copy_of_the_project(desk)
    await run(desk)
    done = len(desk.lines("quickstart"))

    desk.write("local-oss/photos/art/still life.jpg", jpeg(640, 480))  # found by prefix
    by_prefix = (await run(desk)).json
    assert (by_prefix["saved"], by_prefix["attempts"]) == (PIPELINES, PIPELINES)
    again = desk.lines("quickstart")[done:]
    assert {line["source"]["key"] for line in again} == {"art/still life.jpg"}

    gif = (desk.path / "local-oss/photos/art/orbit.gif").read_bytes()
    desk.write("local-oss/photos/art/orbit.gif", gif + b"\0")  # named by `objects`; what follows the end is ignored
    by_name = (await run(desk)).json
    assert (by_name["saved"], by_name["attempts"]) == (PIPELINES, PIPELINES)
    again = desk.lines("quickstart")[done + PIPELINES :]
    assert {line["source"]["key"] for line in again} == {"art/orbit.gif"}


async def test_going_back_to_an_earlier_recipe_sends_every_post_again(desk: Desk) -> None:
    copy_of_the_project(desk)
    job = desk.path / JOB
    recipe_a = job.read_text()
    recipe_b = recipe_a.replace("w_200,h_200", "w_150,h_150")
    thumbs = TASKS // PIPELINES
    await run(desk)
    job.write_text(recipe_b)
    assert (await run(desk)).json["attempts"] == thumbs
    job.write_text(recipe_a)
    back = (await run(desk)).json
    assert (back["attempts"], back["saved"], back["already_saved"]) == (thumbs, thumbs, TASKS - thumbs)
    newest = {line["target"]["key"]: line for line in desk.lines("quickstart") if line["pipeline"] == "thumb"}
    assert {picture(desk, line)[1] for line in newest.values()} == {(200, 200)}


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process is more than an entry that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_local_oss_ends_with_a_run_that_is_killed(desk: Desk) -> None:
    copy_of_the_project(desk)
    process = await desk.start("run", JOB, "--rate", "0.2", environ={})
    await until(lambda: desk.segments("quickstart") or children(process.pid))
    (server,) = children(process.pid)
    process.kill()
    await process.wait()
    await until(lambda: not alive(server), within_s=30)

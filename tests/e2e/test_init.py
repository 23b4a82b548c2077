"""`init`: what it writes is right, runs, and overwrites nothing."""

from pathlib import Path

import pytest
import yaml

from tests.e2e.desk import Desk
from tests.schemas import problems


async def test_what_init_writes_is_valid_and_runs_on_the_local_oss(desk: Desk) -> None:
    begun = await desk.run("init", environ={})
    assert (begun.code, begun.err) == (0, "")
    assert begun.out == "wrote job.yaml\nwrote config.yaml\nnext: oss-saveas run job.yaml\n"
    valid = await desk.run("validate", "job.yaml", environ={})
    assert (valid.code, valid.out, valid.err) == (0, "job.yaml: valid\n", "")
    ran = await desk.run("run", "job.yaml", "--json", environ={})
    assert (ran.code, ran.json["saved"], ran.json["planned"]) == (0, 6, 6), ran.err
    assert problems("manifest", (desk.path / "job.yaml").read_text("utf-8")) == []
    assert problems("settings", (desk.path / "config.yaml").read_text("utf-8")) == []


async def test_init_writes_into_a_directory_that_it_makes(desk: Desk) -> None:
    begun = await desk.run("init", "jobs/new one", environ={})
    assert begun.code == 0
    assert begun.out.endswith("next: cd 'jobs/new one' && oss-saveas run job.yaml\n")
    assert {path.name for path in (desk.path / "jobs/new one").iterdir()} == {"job.yaml", "config.yaml"}


@pytest.mark.parametrize("name", ["job.yaml", "config.yaml"])
async def test_init_overwrites_nothing_and_then_writes_nothing(desk: Desk, name: str) -> None:
    desk.write(name, "mine")
    ended = await desk.run("init", environ={})
    assert (ended.code, ended.out) == (73, "")
    assert f"{name}: already there" in ended.err
    assert [(path.name, path.read_text()) for path in desk.path.iterdir()] == [(name, "mine")]


async def test_init_does_not_follow_a_link_that_leads_nowhere(desk: Desk) -> None:
    (desk.path / "job.yaml").symlink_to(desk.path / "elsewhere.yaml")
    assert (await desk.run("init", environ={})).code == 73
    assert not (desk.path / "elsewhere.yaml").exists()


async def test_init_tells_where_it_cannot_write(desk: Desk) -> None:
    desk.write("file", "")
    ended = await desk.run("init", "file/below", environ={})
    assert (ended.code, ended.out) == (64, "")
    assert "cannot be written: Not a directory" in ended.err


def test_every_setting_that_init_shows_in_a_comment_exists() -> None:
    text = (Path(__file__).parents[2] / "worker/starter/config.yaml").read_text("utf-8")
    commented = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and ": {" in line]
    assert commented
    for line in commented:
        assert yaml.safe_load(line)
        assert problems("settings", line) == []

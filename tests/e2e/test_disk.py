"""Disks that are full or cannot be written: nothing is claimed that is not durable, nothing is lost."""

import os

import pytest

from tests.conftest import Figures
from tests.e2e.desk import KEYS, Desk, until
from tests.e2e.mounts import mounted
from tests.e2e.test_endings import reconciled
from tests.stand_in import StandIn, keys_below

CHAOS = pytest.mark.chaos
SMALL = 'mkdir "$0/results" && mount -t tmpfs -o size={} none "$0/results"'
READ_ONLY = 'mkdir "$0/results" && mount --bind "$0/results" "$0/results" && mount -o remount,ro,bind "$0/results"'


def photos(tasks: int) -> dict[str, dict[str, str]]:
    return {"photos": keys_below("in/", tasks), "renditions": {}}


@pytest.mark.parametrize(
    ("size", "tasks"),
    [("96k", 500), pytest.param("16k", 5000, marks=CHAOS), pytest.param("1m", 5000, marks=CHAOS)],
)
async def test_a_full_disk_is_73_and_with_space_again_the_next_run_loses_nothing(
    desk: Desk, figures: Figures, size: str, tasks: int
) -> None:
    async with mounted(desk.path, SMALL.format(size)) as mounts, StandIn(photos(tasks), delay_s=0.01) as server:
        inside = Desk(mounts.seen(desk.path))
        desk.set_up(server, rate=500)
        full = await desk.run("run", "job.yaml", "--json", within=mounts.within)
        assert (full.code, full.json["outcome"]) == (73, "results_unwritable"), full.err
        assert any("No space left on device" in note for note in full.json["notes"])
        assert reconciled(full.json)
        durable = inside.saved()
        assert 0 < full.json["saved"] == len(durable) <= len(server.posts) < tasks
        sent = server.saved()
        await mounts.mount("-o", "remount,size=64m", str(desk.path / "results"))
        whole = await desk.run("run", "job.yaml", "--json", within=mounts.within)
        assert (whole.code, whole.json["saved"], whole.json["already_saved"]) == (
            0,
            tasks - len(durable),
            len(durable),
        ), whole.err
        # Only what was not durable is sent again.
        assert len(server.saved()) == tasks == len(inside.saved())
        assert {target: server.saved()[target] for target in durable} == dict.fromkeys(durable, 1)
        repeated = len(server.posts) - tasks
        assert repeated == len(sent) - len(durable)
        figures({"tasks": tasks, "durable on the full disk": len(durable), "lost": 0, "repeated": repeated})


async def test_a_disk_that_has_space_again_in_time_ends_nothing(desk: Desk) -> None:
    async with mounted(desk.path, SMALL.format("32k")) as mounts, StandIn(photos(300)) as server:
        desk.set_up(server, rate=500)
        environ = {**KEYS, "OSS_SAVEAS_RESULTS_PATIENCE_S": "300"}
        process = await desk.start("run", "job.yaml", "--json", environ=environ, within=mounts.within)
        disk = mounts.seen(desk.path / "results")
        await until(lambda: os.statvfs(disk).f_bavail == 0)
        await mounts.mount("-o", "remount,size=64m", str(desk.path / "results"))
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"]) == (0, 300), ended.err
        assert len(Desk(mounts.seen(desk.path)).saved()) == len(server.posts) == 300


async def test_a_place_that_cannot_be_written_is_73_before_anything_is_sent(desk: Desk) -> None:
    async with mounted(desk.path, READ_ONLY) as mounts, StandIn(photos(5)) as server:
        desk.set_up(server)
        refused = await desk.run("run", "job.yaml", "--json", within=mounts.within)
        assert (refused.code, refused.json["outcome"], server.seen) == (73, "results_unwritable", [])
        assert "Read-only file system" in refused.err
        await mounts.mount("-o", "remount,rw,bind", str(desk.path / "results"))
        assert (await desk.run("run", "job.yaml", within=mounts.within)).code == 0
        assert len(desk.saved()) == 5


async def test_files_that_may_not_grow_end_nothing(desk: Desk) -> None:
    async with StandIn(photos(300)) as server:
        desk.set_up(server, rate=500)
        within = ("sh", "-c", 'ulimit -f 64 && exec "$0" "$@"')  # in units of 512 bytes
        ended = await desk.run("run", "job.yaml", "--json", within=within)
        assert (ended.code, ended.json["saved"]) == (0, 300), ended.err
        assert len(desk.segments()) > 1
        assert all(segment.stat().st_size <= 64 * 512 for segment in desk.segments())
        assert len(desk.lines()) == len(desk.saved()) == len(server.posts) == 300

"""Nights: runs that are cut short by their time go on; several at once come to the same whole."""

import asyncio

from tests.e2e.desk import KEYS, SECRET, Desk
from tests.stand_in import StandIn, keys_below


async def test_nights_that_are_cut_short_go_on_and_repeat_nothing(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 120), "renditions": {}}) as server:
        desk.set_up(server, rate=40)
        codes = []
        for _ in range(20):
            ended = await desk.run("run", "job.yaml", "--max-duration", "1s")
            codes.append(ended.code)
            if ended.code == 0:
                break
        assert codes == [5] * (len(codes) - 1) + [0]
        assert len(codes) > 1
        assert (set(server.saved().values()), len(server.saved())) == ({1}, 120)


async def test_two_whole_runs_at_once_and_shards_of_3_then_of_5_come_to_the_whole(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 60), "renditions": {}}, delay_s=0.02) as server:
        desk.set_up(server, concurrency=4)
        ended = await asyncio.gather(*(desk.run("run", "job.yaml") for _ in range(2)))
        assert [one.code for one in ended] == [0, 0]
        assert len(desk.saved()) == 60
        server.buckets["photos"] |= keys_below("in/new", 60)
        posts = len(server.posts)
        assert (await desk.run("run", "job.yaml", "--shard", "1/3")).code == 0
        for number in range(5):
            assert (await desk.run("run", "job.yaml", "--shard", f"{number}/5")).code == 0
        assert (len(desk.saved()), len(server.posts) - posts) == (120, 60)


async def test_no_secret_stands_in_anything_that_the_commands_write(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 5), "renditions": {}}) as server:
        desk.set_up(server)
        said = ""
        for args in (("run", "job.yaml"), ("retry", "job.yaml"), ("verify", "job.yaml"), ("status", "copies")):
            ended = await desk.run(*args, environ={**KEYS, "OSS_SAVEAS_LOG__LEVEL": "debug"})
            said += ended.out + ended.err
        for path in desk.path.rglob("*"):
            if path.is_file():
                said += path.read_bytes().decode(errors="replace")
        assert SECRET not in said
        assert "Signature=" not in said

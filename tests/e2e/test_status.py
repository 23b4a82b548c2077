"""`status`: how the newest run of a job stands, and what is the matter, in the first line."""

import asyncio
import json
import signal

import pytest

from tests.e2e.desk import KEYS, Desk, until
from tests.stand_in import StandIn, keys_below, refusal


def named(name: str) -> dict[str, str]:
    return {**KEYS, "OSS_SAVEAS_RUN": name}


@pytest.mark.parametrize("results", ["./results", pytest.param("oss://results/logs", marks=pytest.mark.chaos)])
async def test_a_run_of_three_shards_from_nothing_to_complete(desk: Desk, results: str) -> None:
    async with StandIn({"photos": keys_below("in/", 30), "renditions": {}, "results": {}}) as server:
        desk.set_up(server, results=results)
        unknown = await desk.run("status", "copies")
        assert (unknown.code, unknown.out) == (66, "")
        await desk.run("run", "job.yaml", "--shard", "0/1", "--limit", "3", environ=named("z-evening"))
        for number in (0, 2):
            await desk.run("run", "job.yaml", "--shard", f"{number}/3", environ=named("night"))
        found = await desk.run("status", "copies", "--json")
        assert (found.code, found.json["run"], found.json["state"]) == (5, "night", "absent")
        assert [shard["state"] for shard in found.json["shards"]] == ["complete", "absent", "complete"]
        told = await desk.run("status", "copies")
        assert told.out.startswith(
            "Unfinished: nothing is there of shard 1. The same command again goes on.  (exit 5)\n"
        )
        await desk.run("run", "job.yaml", "--shard", "1/3", "--limit", "1", environ=named("night"))
        some = await desk.run("status", "copies")
        assert some.out.startswith("Unfinished: stopped with work left: shard 1. ")
        await desk.run("run", "job.yaml", "--shard", "1/3", environ=named("night"))
        whole = await desk.run("status", "copies", "--all", "--json")
        assert (whole.code, whole.json["state"], whole.json["planned"]) == (0, "complete", 30)
        assert [(run["run"], run["exit"]) for run in whole.json["runs"]] == [("night", 0), ("z-evening", 5)]
        words = await desk.run("status", "copies", "--all")
        assert words.out.startswith("Complete: all 3 shards finished, nothing failed.  (exit 0)\n")
        assert "z-evening" in words.out


async def test_failures_are_3_and_a_retry_is_told_but_is_no_run(desk: Desk) -> None:
    broken = True
    async with StandIn(
        {"photos": keys_below("in/", 3), "renditions": {}},
        lambda seen: refusal(400, "ImageDamage") if broken and seen.key == "in/00001.jpg" and seen.body else None,
    ) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        found = await desk.run("status", "copies")
        assert found.code == 3
        assert found.out.startswith(
            "Finished with failures: its only shard finished, 1 task failed, the first of ImageDa"
        )
        broken = False
        assert (await desk.run("retry", "job.yaml")).code == 0
        after = await desk.run("status", "copies", "--json")
        assert (after.code, after.json["failed"]) == (3, 1)
        assert [(retry["saved"], retry["planned"]) for retry in after.json["retries"]] == [(1, 1)]
        assert (await desk.run("verify", "job.yaml")).code == 0
        server.buckets["renditions"].clear()
        assert (await desk.run("verify", "job.yaml")).code == 3
        damaged = await desk.run("status", "copies")
        assert damaged.out.startswith(
            "Damaged: 1 task failed, the first of ImageDamage, and `verify` has found targets not as recorded: 3 missi"
        )
        await desk.run("run", "job.yaml")
        assert (await desk.run("status", "copies")).code == 0


@pytest.mark.parametrize("results", ["./results", pytest.param("oss://results/logs", marks=pytest.mark.chaos)])
async def test_what_verify_has_found_is_5_until_a_run_has_mended_it(desk: Desk, results: str) -> None:
    async with StandIn({"photos": keys_below("in/", 30), "renditions": {}, "results": {}}) as server:
        desk.set_up(server, results=results)
        for number in range(2):
            await desk.run("run", "job.yaml", "--shard", f"{number}/2", environ=named("night"))
        del server.buckets["renditions"]["small/in/00003.jpg"]
        assert (await desk.run("verify", "job.yaml")).code == 3
        assert (await desk.run("run", "job.yaml")).code == 0
        assert (await desk.run("status", "copies")).code == 0  # a whole run has gone over it
        for number in range(2):
            await desk.run("run", "job.yaml", "--shard", f"{number}/2", environ=named("night"))
        for key in sorted(server.buckets["renditions"])[:10]:
            del server.buckets["renditions"][key]
        for key in sorted(server.buckets["renditions"])[:5]:
            server.modified["renditions", key] += 3600
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.json["missing"], found.json["altered"]) == (10, 5)
        assert (await desk.run("verify", "job.yaml")).code == 0  # what is known to be damaged is not looked at
        assert (await desk.run("retry", "job.yaml")).code == 0
        damaged = await desk.run("status", "copies", "--json", "--all")
        assert (damaged.code, damaged.json["exit"], damaged.json["state"]) == (5, 5, "damaged")
        assert damaged.json["damage"] == {"missing": 10, "altered": 5}
        assert damaged.json["runs"][0]["state"] == "complete"
        told = (await desk.run("status", "copies")).out
        assert told.startswith("Damaged: `verify` has found targets not as recorded: 10 missing, 5 altered. The next ")
        await desk.run("run", "job.yaml", "--shard", "0/2", environ=named("night"))
        half = await desk.run("status", "copies", "--json")
        assert (half.code, 0 < sum(half.json["damage"].values()) < 15) == (5, True)
        await desk.run("run", "job.yaml", "--shard", "1/2", environ=named("night"))
        assert (await desk.run("status", "copies", "--json")).json["damage"] == {"missing": 0, "altered": 0}
        assert (await desk.run("status", "copies")).code == 0


async def test_what_verify_has_found_while_a_run_went_on_may_have_been_mended_by_it(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 4), "renditions": {}}) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        (summary,), lines = desk.summaries(), desk.lines()
        missing = [{**line, "status": "missing", "at": summary["started"]} for line in lines]
        missing[1]["at"] = summary["ended"]
        desk.write("results/copies/v/verify.ab.0.jsonl", "".join(json.dumps(line) + "\n" for line in missing))
        found = await desk.run("status", "copies", "--json")
        assert (found.code, found.json["damage"]) == (5, {"missing": 1, "altered": 0})


async def test_a_process_that_was_killed_has_no_end_until_it_is_run_again(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 200), "renditions": {}}, delay_s=0.02) as server:
        desk.set_up(server, rate=100)
        process = await desk.start("run", "job.yaml", environ=named("night"))
        await until(lambda: len(desk.lines()) >= 20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        found = await desk.run("status", "copies", "--json")
        (shard,) = found.json["shards"]
        assert (found.code, shard["state"]) == (5, "no_end")
        assert shard["no_end"]["lines"] == {"saved": len(desk.lines())}
        assert shard["no_end"]["last"] == desk.lines()[-1]["at"]
        told = (await desk.run("status", "copies")).out
        assert told.startswith("Unfinished: no end is recorded (going on, or killed) of shard 0. ")
        await desk.run("run", "job.yaml", "--rate", "5000", environ=named("night"))
        assert (await desk.run("status", "copies")).code == 0


async def test_shards_of_different_manifests_are_no_whole(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 20), "renditions": {}}) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", "--shard", "0/2", environ=named("night"))
        manifest = (desk.path / "job.yaml").read_text()
        desk.write("job.yaml", manifest.replace("w_4", "w_5"))
        await desk.run("run", "job.yaml", "--shard", "1/2", environ=named("night"))
        found = await desk.run("status", "copies", "--json")
        assert (found.code, found.json["one_manifest"], found.json["one_settings"]) == (5, False, True)
        assert (await desk.run("status", "copies")).out.startswith(
            "Unfinished: the shards have run different manifests."
        )


async def test_a_damaged_summary_is_left_out_with_a_warning(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 2), "renditions": {}}) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        (summary,) = (desk.path / "results").glob("*/*/*.summary.json")
        await asyncio.to_thread(summary.write_text, "{")
        found = await desk.run("status", "copies", "--json")
        assert (found.code, found.json["state"]) == (5, "no_end")
        assert f"{summary.name}: left out" in found.err

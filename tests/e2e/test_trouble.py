"""When much goes wrong: outages are waited out, what is wrong for all stops early, broken pictures stop nothing."""

import asyncio

import pytest

from tests.e2e.desk import CONFIG, MANIFEST, Desk, until
from tests.e2e.test_endings import photos, reconciled
from tests.stand_in import Reply, Seen, StandIn, refusal

PATIENT = "task_deadline_s: 300"


def settings(server: StandIn, *, rate: float = 5000, concurrency: int = 8, more: str = "") -> str:
    return CONFIG.format(endpoint=server.url, rate=rate, concurrency=concurrency) + more


async def outage(desk: Desk, tasks: int, lasts_s: float) -> None:
    async with StandIn(photos(tasks)) as server:
        desk.write("job.yaml", MANIFEST)
        desk.write("config.yaml", settings(server, rate=200).replace("task_deadline_s: 2", PATIENT))
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.posts) >= tasks // 4)
        await server.go_away()
        await asyncio.sleep(lasts_s)
        await server.come_back()
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"], ended.json["failed"]) == (0, tasks, 0)
        assert "paused" in ended.err
        assert "going on after a pause" in ended.err
        assert reconciled(ended.json)


async def test_an_endpoint_that_refuses_connections_for_a_while_fails_nothing(desk: Desk) -> None:
    await outage(desk, 200, 2)


@pytest.mark.chaos
async def test_an_endpoint_that_refuses_connections_for_half_a_minute_fails_nothing(desk: Desk) -> None:
    await outage(desk, 2000, 30)


async def test_an_outage_that_does_not_end_is_4_and_the_next_run_goes_on(desk: Desk) -> None:
    async with StandIn(photos(100), delay_s=0.01) as server:
        desk.write("job.yaml", MANIFEST)
        desk.write("config.yaml", settings(server))
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.posts) >= 30)
        await server.go_away()
        ended = await desk.end(process)
        assert (ended.code, ended.json["outcome"]) == (4, "stopped")
        assert ended.json["failed"] == 0
        assert any("paused for" in note for note in ended.json["notes"])
        assert reconciled(ended.json)
        await server.come_back()
        assert (await desk.run("run", "job.yaml")).code == 0
        assert len(desk.saved()) == 100


async def test_throttling_of_everything_for_a_while_pauses_and_fails_nothing(desk: Desk) -> None:
    left = 40

    def throttled(request: Seen) -> Reply | None:
        nonlocal left
        left -= request.method == "POST"
        return refusal(503, "CpuLimitExceeded") if request.method == "POST" and left >= 0 else None

    async with StandIn(photos(60), throttled) as server:
        desk.write("job.yaml", MANIFEST)
        desk.write("config.yaml", settings(server).replace("task_deadline_s: 2", PATIENT))
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"]) == (0, 60)
        assert ended.json["tries"] == {"CpuLimitExceeded": 40}


@pytest.mark.parametrize("code", ["InvalidArgument", "NoSuchStyle"])
async def test_a_recipe_that_is_wrong_for_all_is_stopped_by_the_canary(desk: Desk, code: str) -> None:
    async with StandIn(photos(300), lambda seen: refusal(400, code) if seen.method == "POST" else None) as server:
        desk.set_up(server, concurrency=16)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], ended.json["saved"]) == (4, "stopped", 0)
        assert 20 <= len(server.posts) <= 20 + 16
        assert any(code in note for note in ended.json["notes"])
        assert reconciled(ended.json)


async def test_forty_broken_pictures_stop_nothing(desk: Desk) -> None:
    def broken(request: Seen) -> Reply | None:
        return refusal(400, "ImageDamage") if request.method == "POST" and "in/0004" not in request.key else None

    async with StandIn(photos(45), broken) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"], ended.json["failed"]) == (3, 5, 40)


async def test_a_recipe_that_goes_wrong_in_mid_run_is_stopped_by_the_failure_limit(desk: Desk) -> None:
    def gone(request: Seen) -> Reply | None:
        return refusal(404, "NoSuchStyle") if request.method == "POST" and "in/000" not in request.key else None

    async with StandIn(photos(900), gone) as server:
        desk.write("job.yaml", MANIFEST)
        desk.write("config.yaml", settings(server, more="failure: {window: 100, max_ratio: 0.3}\n"))
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"]) == (4, 100)
        assert 31 <= ended.json["failed"] <= 31 + 8
        assert any("failure.max_ratio" in note for note in ended.json["notes"])


async def test_a_code_that_is_named_has_a_limit_of_its_own(desk: Desk) -> None:
    def broken(request: Seen) -> Reply | None:
        return refusal(400, "ImageDamage") if request.method == "POST" and request.key[6] in "13579" else None

    async with StandIn(photos(300), broken) as server:
        desk.write("job.yaml", MANIFEST)
        limit = "failure: {window: 100, per_code: {ImageDamage: 0.1}}\n"
        desk.write("config.yaml", settings(server, more=limit))
        ended = await desk.run("run", "job.yaml", "--json")
        assert ended.code == 4
        assert any("11 of the latest" in note and "failure.per_code" in note for note in ended.json["notes"])


async def test_a_run_in_which_nothing_happens_is_4_and_says_what_it_waits_for(desk: Desk) -> None:
    async with StandIn(photos(20), delay_s=60) as server:
        desk.write("job.yaml", MANIFEST)
        more = "shutdown: {stall_s: 1, grace_s: 0.1}\n"
        desk.write("config.yaml", settings(server, more=more).replace("total_s: 20", "total_s: 80"))
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["not_attempted"]) == (4, ended.json["planned"])
        assert "nothing has happened for 1 s" in ended.json["notes"][-1]
        assert "8 x consumer: " in ended.json["notes"][-1]
        assert reconciled(ended.json)


@pytest.mark.parametrize(("command", "hangs"), [("run", "results"), ("run", "photos"), ("verify", "results")])
async def test_planning_in_which_nothing_happens_is_4_as_well(desk: Desk, command: str, hangs: str) -> None:
    """The log, and a listing that the proof needs; the bucket itself answers."""

    def slow(request: Seen) -> Reply | None:
        is_read = request.method == "GET" and request.bucket == hangs
        is_wanted = is_read and (hangs == "results" or "list-type" in request.query)
        return Reply(200, delay_s=60) if is_wanted else None

    async with StandIn(photos(3) | {"results": {}}, slow) as server:
        desk.write("job.yaml", MANIFEST.replace("small/{key}", "small/{dir}/{stem}.jpg"))
        more = "results: oss://results/logs\nshutdown: {stall_s: 1, grace_s: 0.1}\n"
        config = settings(server, more=more).replace("total_s: 20", "total_s: 80").replace("results: ./results\n", "")
        desk.write("config.yaml", config)
        ended = await desk.run(command, "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], server.posts) == (4, "stopped", [])
        assert any("nothing has happened for 1 s; what waits:" in note for note in ended.json["notes"])


async def test_standard_input_may_say_nothing_for_as_long_as_it_likes(desk: Desk) -> None:
    async with StandIn(photos(3)) as server:
        desk.write("job.yaml", MANIFEST.replace("  - prefix: in/", "  - list: '-'"))
        desk.write("config.yaml", settings(server, more="shutdown: {stall_s: 5}\n"))
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.seen) >= 2)  # both buckets are known: it reads
        await asyncio.sleep(7)
        ended = await desk.end(process, b"in/00001.jpg\n")
        assert (ended.code, ended.json["saved"]) == (0, 1)

"""What is done is not done again: after kill -9, after a signal, after a limit, over shards."""

import asyncio
import random
import signal

import pytest

from tests.conftest import Figures
from tests.e2e.desk import MANIFEST, PATIENT, Desk, saved_in, signalled_to_its_end, until
from tests.stand_in import StandIn, keys_below

TASKS = 1000
CONCURRENCY = 16
GROUP = 1000  # lines that are made durable together, at most


async def killed(desk: Desk, server: StandIn, goal: int) -> None:
    process = await desk.start("run", "job.yaml")
    await until(lambda: len(server.posts) >= goal or process.returncode is not None)
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def kill_again_and_again(desk: Desk, kills: int, tasks: int, results: str = "./results") -> dict[str, int]:
    """Kill runs of one job at random moments, then let one come to its end; returns what was counted."""
    dice = random.Random(7)
    buckets: dict[str, dict[str, str]] = {"photos": keys_below("in/", tasks), "renditions": {}, "results": {}}
    async with StandIn(buckets, delay_s=0.01) as server:
        desk.set_up(server, rate=150, concurrency=CONCURRENCY, results=results)
        is_bucket = results.startswith("oss://")
        group = (5 if is_bucket else 1) * GROUP

        def durable() -> set[tuple[str, str]]:
            return saved_in(server) if is_bucket else desk.saved()

        sent: dict[tuple[str, str], int] = {}
        in_vain = []
        for _ in range(kills):
            posts, known = len(server.posts), len(sent)
            await killed(desk, server, posts + dice.randrange(tasks * 3 // (4 * kills)))
            for target in durable() - set(sent):
                sent[target] = server.saved()[target]
            in_vain.append(len(server.posts) - posts - (len(sent) - known))
        assert 0 < len(sent) < tasks
        last = await desk.run("run", "job.yaml", "--rate", "5000")
        assert last.code == 0, last.err
        assert {("renditions", f"small/{key}") for key in keys_below("in/", tasks)} == durable()
        # What was sent again was on its way or not durable at a kill: what was durable was never sent again.
        assert {target: server.saved()[target] for target in sent} == sent
        assert max(in_vain) <= CONCURRENCY + group
        repeated = len(server.posts) - tasks
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.code, again.json["already_saved"], again.json["attempts"]) == (0, tasks, 0)
    return {"kills": kills, "tasks": tasks, "lost": 0, "repeated": repeated, "repeated after one kill": max(in_vain)}


async def test_a_run_killed_four_times_ends_with_every_target_saved_and_repeats_only_what_was_not_durable(
    desk: Desk,
) -> None:
    await kill_again_and_again(desk, 4, TASKS // 2)


@pytest.mark.chaos
async def test_a_run_with_its_results_in_a_bucket_is_killed_as_well(desk: Desk) -> None:
    await kill_again_and_again(desk, 4, 600, "oss://results/logs")


async def signal_again_and_again(desk: Desk, signals: int, tasks: int, results: str) -> dict[str, int]:
    """Signal runs of one job at random moments, then let one come to its end; returns what was counted."""
    dice = random.Random(5)
    buckets: dict[str, dict[str, str]] = {"photos": keys_below("in/", tasks), "renditions": {}, "results": {}}
    async with StandIn(buckets, delay_s=0.03) as server:
        desk.set_up(server, rate=150, concurrency=CONCURRENCY, results=results)
        for _ in range(signals):
            before = len(server.posts)
            goal = before + dice.randrange(1, tasks // (2 * signals))
            process = await desk.start("run", "job.yaml", "--json")
            await until(lambda goal=goal: len(server.posts) >= goal)  # type: ignore[misc]  # mypy sees no default there
            await asyncio.sleep(dice.uniform(0, 0.03))
            process.send_signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
            ended = await desk.end(process)
            assert (ended.code, ended.json["already_saved"]) == (75, before), ended.err
            # All that was sent is saved, and stands in the log.
            assert before + ended.json["saved"] == len(server.posts) == len(server.saved())
            log = saved_in(server) if results.startswith("oss://") else desk.saved()
            assert log == set(server.saved())
        sent = len(server.posts)
        assert sent < tasks
        last = await desk.run("run", "job.yaml", "--json", "--rate", "5000")
        assert (last.code, last.json["already_saved"], last.json["saved"]) == (0, sent, tasks - sent)
        assert (len(server.saved()), set(server.saved().values())) == (tasks, {1})
    return {"signals": signals, "tasks": tasks, "sent before the last run": sent, "lost": 0, "repeated": 0}


@pytest.mark.parametrize(
    ("signals", "tasks", "results"),
    [
        (3, 300, "./results"),
        pytest.param(50, 3000, "./results", marks=pytest.mark.chaos),
        pytest.param(50, 3000, "oss://results/logs", marks=pytest.mark.chaos),
    ],
)
async def test_runs_signalled_at_any_moment_repeat_nothing(
    desk: Desk, figures: Figures, signals: int, tasks: int, results: str
) -> None:
    figures(await signal_again_and_again(desk, signals, tasks, results))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_run_and_the_next_one_repeats_nothing(desk: Desk, number: signal.Signals) -> None:
    async with StandIn({"photos": keys_below("in/", 300), "renditions": {}}, delay_s=0.05) as server:
        desk.set_up(server, concurrency=8)
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.posts) >= 50)
        process.send_signal(number)
        ended = await desk.end(process)
        sent = len(server.posts)
        assert ended.code == 75
        assert ended.json["outcome"] == "interrupted"
        assert ended.json["enumeration"] == "partial"
        assert ended.json["saved"] == sent == len(desk.saved())
        assert sent < 300
        assert (await desk.run("run", "job.yaml")).code == 0
        assert len(desk.saved()) == len(server.posts) == 300


async def test_a_second_signal_does_not_wait_for_what_is_on_its_way(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 50), "renditions": {}}, delay_s=300) as server:
        desk.set_up(server, concurrency=8)
        process = await desk.start("run", "job.yaml", "--json", environ=PATIENT)
        await until(lambda: len(server.posts) >= 8)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert process.returncode is None
        await signalled_to_its_end(process, signal.SIGTERM)
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"], ended.json["not_attempted"]) == (75, 0, ended.json["planned"])


@pytest.mark.parametrize("args", [(), ("--max-tasks", "1000")], ids=["streamed", "enumerated first"])
async def test_a_signal_while_the_sources_are_listed_ends_the_run_quietly(desk: Desk, args: tuple[str, ...]) -> None:
    async with StandIn({"photos": keys_below("in/", 50), "renditions": {}}, page=1) as server:
        desk.set_up(server, rate=5, concurrency=8)
        process = await desk.start("run", "job.yaml", "--json", *args)
        await until(lambda: len(server.seen) >= 6)
        process.send_signal(signal.SIGTERM)
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"]) == (75, len(server.posts))


async def test_a_signal_at_first_contact_ends_the_run_with_75(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 5), "renditions": {}}) as server:
        desk.set_up(server, rate=0.1)
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.seen) >= 1)
        process.send_signal(signal.SIGTERM)
        ended = await desk.end(process)
        assert (ended.code, ended.json["planned"], server.posts) == (75, 0, [])


async def test_a_limit_sends_that_many_tasks_and_the_next_run_goes_on(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 60), "renditions": {}}) as server:
        desk.set_up(server, rate=200)
        first = await desk.run("run", "job.yaml", "--limit", "25", "--json")
        assert (first.code, first.json["outcome"], first.json["saved"]) == (5, "unfinished", 25)
        assert len(server.posts) == 25
        second = await desk.run("run", "job.yaml", "--limit", "35", "--json")
        assert (second.code, second.json["saved"], second.json["already_saved"]) == (0, 35, 25)
        assert len(desk.saved()) == len(server.posts) == 60


async def test_a_limit_that_is_not_reached_is_no_news(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 5), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml", "--limit", "5")).code == 0


async def test_the_end_of_the_time_ends_the_run_with_5_and_the_next_one_repeats_nothing(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 200), "renditions": {}}) as server:
        desk.set_up(server, rate=50)
        first = await desk.run("run", "job.yaml", "--max-duration", "2s", "--json")
        assert (first.code, first.json["outcome"]) == (5, "unfinished")
        assert first.json["saved"] == len(server.posts) < 200
        second = await desk.run("run", "job.yaml", "--rate", "5000", "--json")
        assert (second.code, second.json["already_saved"]) == (0, first.json["saved"])
        assert len(server.posts) == 200


async def test_shards_are_disjoint_and_together_the_whole(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 90), "renditions": {}}) as server:
        desk.set_up(server)
        ended = await asyncio.gather(
            *(desk.run("run", "job.yaml", "--shard", f"{number}/3", "--json") for number in range(3))
        )
        assert [shard.code for shard in ended] == [0, 0, 0]
        assert all(shard.json["saved"] > 0 for shard in ended)
        assert [shard.json["shard"] for shard in ended] == ["0/3", "1/3", "2/3"]
        assert sum(shard.json["planned"] for shard in ended) == 90
        assert set(server.saved().values()) == {1}
        assert len(desk.saved()) == 90
        whole = await desk.run("run", "job.yaml", "--json")
        assert (whole.code, whole.json["already_saved"], whole.json["attempts"]) == (0, 90, 0)


def torn(desk: Desk) -> str:
    (segment,) = desk.segments()
    segment.write_bytes(segment.read_bytes()[:-10])
    return segment.name


async def test_a_segment_with_a_torn_end_is_read_with_a_warning(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 20), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        segment = torn(desk)
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.code, again.json["saved"], again.json["already_saved"]) == (0, 1, 19)
        assert f"{segment}:20" in again.err


async def test_a_signal_ends_a_run_that_waits_for_standard_input(desk: Desk) -> None:
    async with StandIn({"photos": {"a.jpg": "A"}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("  - prefix: in/", '  - list: "-"'))
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: server.counts["GET"] == 2)  # first contact
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.wait()
        ended = await desk.end(process)
        assert (ended.code, ended.json["planned"]) == (75, 0)

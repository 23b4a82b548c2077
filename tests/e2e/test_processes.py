"""`--processes`: several processes share a run, which stays one: one plan, one summary, one exit code."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.desk import PATIENT, Desk, saved_in, signalled_to_its_end, until
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

TASKS = 600
CONCURRENCY = 16
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in /proc")


def children(pid: int) -> list[int]:
    """The processes of a run that work at its tasks."""
    try:
        found = list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
        return [child for child in found if b"worker.crew" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def buckets(tasks: int = TASKS) -> dict[str, dict[str, str]]:
    return {"photos": keys_below("in/", tasks), "renditions": {}, "results": {}}


async def test_a_run_by_three_processes_is_one_run(desk: Desk) -> None:
    async with StandIn(buckets()) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--processes", "3", "--json")
        assert ended.code == 0, ended.err
        assert (ended.json["planned"], ended.json["saved"], ended.json["enumeration"]) == (TASKS, TASKS, "complete")
        assert ended.json["requests"] == {"GET": server.counts["GET"], "POST": TASKS}
        assert len(server.posts) == TASKS == len(desk.saved())
        (summary,) = desk.summaries()
        assert summary == ended.json
        assert {line["shard"] for line in desk.lines()} == {"0/1"}
        names = [segment.name.split(".") for segment in desk.segments()]
        assert {name[0] for name in names} == {"0-of-1"}
        assert {name[1] for name in names} == set(summary["processes"])
        assert len(summary["processes"]) == 3
        assert (await desk.run("status", "copies")).code == 0
        again = await desk.run("run", "job.yaml", "--processes", "2", "--json")
        assert (again.code, again.json["already_saved"], again.json["attempts"]) == (0, TASKS, 0)


async def test_shards_and_processes_divide_the_work_without_a_rest(desk: Desk) -> None:
    async with StandIn(buckets(200)) as server:
        desk.set_up(server)
        ends = [
            await desk.run("run", "job.yaml", "--shard", f"{index}/3", "--processes", str(processes), "--json")
            for index, processes in enumerate((2, 1, 3))
        ]
        assert [ended.code for ended in ends] == [0, 0, 0]
        assert sum(ended.json["saved"] for ended in ends) == 200 == len(server.posts) == len(desk.saved())


@pytest.mark.parametrize("results", ["./results", pytest.param("oss://results/logs", marks=pytest.mark.chaos)])
async def test_a_killed_process_is_started_again_and_goes_on_where_it_was(desk: Desk, results: str) -> None:
    async with StandIn(buckets(), delay_s=0.02) as server:
        desk.set_up(server, rate=200, concurrency=CONCURRENCY, results=results)
        process = await desk.start("run", "job.yaml", "--processes", "2", "--json", "--redo")
        kills = 0
        for goal in (100, 250, 400):
            await until(lambda goal=goal: len(server.posts) >= goal)  # type: ignore[misc]  # mypy infers no lambda defaults
            for child in children(process.pid)[:1]:
                kill(child)
                kills += 1
        ended = await desk.end(process)
        assert kills == 3
        assert ended.code == 0, ended.err
        assert (ended.json["planned"], ended.json["saved"], ended.json["already_saved"]) == (TASKS, TASKS, 0)
        assert ended.err.count("another one goes on where it was") == kills
        assert len(server.saved()) == TASKS
        # What was on its way, or not durable: at 200 a second a group is at most some dozens.
        assert len(server.posts) - TASKS <= kills * (CONCURRENCY + 1000)


@pytest.mark.parametrize("results", ["./results", pytest.param("oss://results/logs", marks=pytest.mark.chaos)])
async def test_a_process_that_dies_again_and_again_is_given_up(desk: Desk, results: str) -> None:
    async with StandIn(buckets(50), delay_s=60) as server:
        desk.set_up(server, concurrency=4, results=results)
        process = await desk.start("run", "job.yaml", "--processes", "2", "--json")

        def all_are_killed() -> bool:
            for child in children(process.pid):
                kill(child)
            return process.returncode is not None

        await until(all_are_killed)
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"], ended.json["enumeration"]) == (1, 0, "partial")
        assert "ended with signal 9, again and again" in "\n".join(ended.json["notes"])
        # The one line that is left in a cluster says why, too.
        assert "ended with signal 9, again and again" in ended.json["first_error"]["message"]
        stands = await desk.run("status", "copies")
        assert (stands.code, "ended with signal 9, again and again" in stands.out) == (5, True)


@pytest.mark.parametrize("results", [pytest.param("./results", marks=pytest.mark.chaos), "oss://results/logs"])
async def test_what_a_process_has_recorded_that_is_killed_while_the_run_stops_is_counted(
    desk: Desk, results: str
) -> None:
    slow = {"on": False}

    def hold(seen: Seen) -> Reply | None:
        return Reply(200, delay_s=300) if slow["on"] and seen.method == "POST" else None

    async with StandIn(buckets(), hold, delay_s=0.01) as server:

        def recorded() -> set[tuple[str, str]]:
            return desk.saved() if results.startswith(".") else saved_in(server)

        desk.set_up(server, concurrency=CONCURRENCY, results=results)
        process = await desk.start("run", "job.yaml", "--processes", "2", "--json")
        await until(lambda: len(server.posts) >= 300)
        slow["on"] = True
        await until(recorded)
        process.send_signal(signal.SIGTERM)
        for child in children(process.pid):
            kill(child)
        ended = await desk.end(process)
        assert (ended.code, ended.json["outcome"]) == (75, "interrupted"), ended.err
        assert ended.json["saved"] == len(recorded()) < TASKS
        assert ended.json["not_attempted"] == ended.json["planned"] - ended.json["saved"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all_processes_and_the_next_run_repeats_nothing(
    desk: Desk, number: signal.Signals
) -> None:
    async with StandIn(buckets(300), delay_s=0.05) as server:
        desk.set_up(server, concurrency=8)
        process = await desk.start("run", "job.yaml", "--processes", "2", "--json")
        await until(lambda: len(server.posts) >= 50)
        # A terminal sends SIGINT to a whole group: theirs are others.
        assert [os.getpgid(child) for child in children(process.pid)] == children(process.pid)
        process.send_signal(number)
        ended = await desk.end(process)
        sent = len(server.posts)
        assert (ended.code, ended.json["outcome"], ended.json["enumeration"]) == (75, "interrupted", "partial")
        assert ended.json["saved"] == sent == len(desk.saved()) < 300
        assert (await desk.run("run", "job.yaml", "--processes", "2")).code == 0
        assert len(desk.saved()) == len(server.posts) == 300


async def test_a_second_signal_does_not_wait_for_what_is_on_its_way(desk: Desk) -> None:
    async with StandIn(buckets(50), delay_s=300) as server:
        desk.set_up(server, concurrency=8)
        process = await desk.start("run", "job.yaml", "--processes", "2", "--json", environ=PATIENT)
        await until(lambda: len(server.posts) >= 8)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert process.returncode is None
        await signalled_to_its_end(process, signal.SIGTERM)
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"], ended.json["not_attempted"]) == (75, 0, ended.json["planned"])


async def test_where_the_run_itself_is_killed_its_processes_end_and_the_next_run_goes_on(desk: Desk) -> None:
    async with StandIn(buckets(300), delay_s=0.05) as server:
        desk.set_up(server, concurrency=8)
        process = await desk.start("run", "job.yaml", "--processes", "2")
        await until(lambda: len(server.posts) >= 50)
        orphans = children(process.pid)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
        sent = len(server.posts)
        assert sent == len(desk.saved()) < 300
        assert (await desk.run("run", "job.yaml")).code == 0
        assert len(server.posts) == 300


async def test_limits_hold_for_all_processes_together(desk: Desk) -> None:
    async with StandIn(buckets(100)) as server:
        desk.set_up(server)
        limited = await desk.run("run", "job.yaml", "--processes", "3", "--limit", "10", "--json")
        assert (limited.code, limited.json["saved"], len(server.posts)) == (5, 10, 10)
        refused = await desk.run("run", "job.yaml", "--processes", "3", "--max-tasks", "99", "--json")
        assert (refused.code, len(server.posts)) == (64, 10)


async def test_a_retry_by_processes_sends_what_has_failed(desk: Desk) -> None:
    async with StandIn(buckets(60)) as server:
        desk.set_up(server)
        desk.write("job.yaml", MIXED)
        assert (await desk.run("run", "job.yaml", "--processes", "2", "--json")).json["failed"] == 5
        server.buckets["photos"] |= keys_below("gone/", 5)
        ended = await desk.run("retry", "job.yaml", "--processes", "2", "--json")
        assert (ended.code, ended.json["planned"], ended.json["saved"]) == (0, 5, 5), ended.err


MIXED = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: in/
  - objects: [gone/00000.jpg, gone/00001.jpg, gone/00002.jpg, gone/00003.jpg, gone/00004.jpg]
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "small/{key}"}
"""


async def test_credentials_that_are_refused_end_all_processes(desk: Desk) -> None:
    def denied(seen: Seen) -> Reply | None:
        return refusal(403, "AccessDenied") if seen.method == "POST" else None

    async with StandIn(buckets(200), denied) as server:
        desk.set_up(server, concurrency=4)
        ended = await desk.run("run", "job.yaml", "--processes", "2", "--json")
        assert ended.code == 77, ended.err
        assert len(server.posts) <= 20 + 2 * 4


@pytest.mark.parametrize("text", ["0", "-1", "x", "1000", ""])
async def test_what_is_no_number_of_processes_is_refused(desk: Desk, text: str) -> None:
    desk.write("job.yaml", MIXED)
    ended = await desk.run("run", "job.yaml", "--endpoint", "http://127.0.0.1:9", "--processes", text)
    assert ended.code == 64
    assert "--processes" in ended.err

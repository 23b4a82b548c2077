"""What the operator of a sharded job may meet in a night, by the simulated life of pods that run the real program."""

import asyncio
import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from deploy.kubernetes.lint import problems
from deploy.kubernetes.lint.cronjob import CronJob
from tests.conftest import Figures
from tests.e2e.desk import KEYS, MANIFEST, lines_in, saved_in, until
from tests.kubernetes.arrivals import Arrivals, Night, burst
from tests.kubernetes.lifecycle import Job, cronjob_of
from tests.kubernetes.rendering import KUBERNETES, render
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

CONFIG = """\
endpoint: {url}
region: cn-hangzhou
addressing: path
results: oss://results/logs
results_patience_s: {patience_s}
limits: {{requests_per_second: {rate}, source_mb_per_second: 1000, concurrency: 16, adaptive: false}}
retry: {{max_attempts: 3, base_delay_s: 0.01, max_delay_s: 0.05, task_deadline_s: 30}}
shutdown: {{grace_s: 20}}
"""
# What a Job's pods may ask for at once. So few that no pod of this machine is held up by anything but the limit.
RATE = 236
# 143: by a signal that came before the interpreter was up. Process 1 of a container is spared that.
EVICTED = {(75, "Ignore"), (143, "Ignore")}


def night(
    folder: Path,
    server: StandIn,
    *,
    shards: int,
    parallelism: int,
    rate: int = 2000,
    patience_s: int = 30,
    more: tuple[str, ...] = (),
) -> CronJob:
    """The overlay `sharded` with settings of a test; more arguments stand at the end."""
    shutil.copytree(KUBERNETES, folder)
    overlay = folder / "overlays" / "sharded"
    file = overlay / "kustomization.yaml"
    text = file.read_text().replace("shards=8", f"shards={shards}")
    file.write_text(text.replace("parallelism=4", f"parallelism={parallelism}"))
    (overlay / "config.yaml").write_text(CONFIG.format(url=server.url, rate=rate, patience_s=patience_s))
    (overlay / "job.yaml").write_text(MANIFEST)
    rendered = render(overlay)
    assert problems(rendered) == []
    found = cronjob_of(rendered)
    found.worker["args"] += more
    return found


def buckets(tasks: int) -> dict[str, dict[str, str]]:
    return {"photos": keys_below("in/", tasks), "renditions": {}, "results": {}}


def wanted(tasks: int) -> set[tuple[str, str]]:
    return {("renditions", f"small/{key}") for key in keys_below("in/", tasks)}


def outputs(job: Job) -> str:
    return "\n".join(f"pod {pod.number} of index {pod.index}: {pod.output[-1500:]}" for pod in job.pods)


def assert_within_the_limit(arrivals: Arrivals, rate: int, pods: int) -> None:
    """No span of time, of whatever length, has more requests than the limit allows, over all pods.

    Times are those of arrival, so three things are no excess. A span that begins and ends with requests has one more
    than fit into it, of each pod; where a pod's window holds more than one, as many. A pod may be held up (for want of
    a core, or of a connection) with granted requests that are not sent, as many again, and goes on at once. And what
    this very process sees late, it sees together.
    """
    at_once = max(1, rate // pods // 20)  # grants in one window of the throttle
    assert burst(arrivals.at, rate) <= 2 * pods * at_once + rate * arrivals.lag_s


def test_a_burst_is_what_any_span_of_time_has_too_many() -> None:
    even = [number / 10 for number in range(100)]
    assert burst(even, 10) == pytest.approx(1)  # whoever counts both ends
    assert burst([*even, 9.9, 9.9, 12.0], 10) == pytest.approx(3)
    assert burst(even, 5) == pytest.approx(100 - 5 * 9.9)
    assert burst([], 10) == 0


async def a_night_with_kills_and_evictions(
    tmp_path: Path, figures: Figures, shards: int, tasks: int, kills: int, evictions: int, rate: int
) -> None:
    dice = random.Random(11)
    arrivals = Arrivals()
    async with StandIn(buckets(tasks), arrivals.script, delay_s=0.01) as server, arrivals:
        cronjob = night(tmp_path / "k", server, shards=shards, parallelism=shards, rate=rate)
        job = Job(cronjob, "oss-saveas-29000000", tmp_path, KEYS)
        disturbances = ["kill"] * kills + ["evict"] * evictions
        dice.shuffle(disturbances)
        killed_of: Counter[int] = Counter()

        async def disturb() -> None:
            for number, what in enumerate(disturbances, 1):
                goal = tasks * number // (len(disturbances) + 2)
                await until(lambda goal=goal: (len(server.posts) >= goal and job.running()) or job.condition)  # type: ignore[misc]  # mypy infers no lambda defaults
                if what == "evict" and job.running():
                    job.evict(dice.choice(job.running()))
                # An index that is killed four times has failed, as it should.
                elif alive := [pod for pod in job.running() if killed_of[pod.index] < 3]:
                    pod = dice.choice(alive)
                    killed_of[pod.index] += 1
                    job.kill(pod)

        disturbing = asyncio.create_task(disturb())
        try:
            assert await job.run() == "Complete", outputs(job)
        finally:
            disturbing.cancel()
        assert saved_in(server) == wanted(tasks)
        assert {action[1:] for action in job.actions} <= {(137, "Count"), (137, "Ignore"), *EVICTED}
        assert {line["run"] for line in lines_in(server)} == {job.name}
        found = Night(job, server, arrivals)
        assert any(at < job.pods[-1].began_s for at in found.durable_at.values())
        # Only what a kill has left in flight, or not durable.
        repeated = list(found.repeated())
        assert not [target for target, pod, durable in repeated if durable or not found.follows_a_kill(pod)]
        assert_within_the_limit(arrivals, rate, shards)
        figures({"tasks": tasks, "pods": len(job.pods), "repeated": len(repeated)})


async def test_kills_and_evictions_lose_nothing(tmp_path: Path, figures: Figures) -> None:
    await a_night_with_kills_and_evictions(tmp_path, figures, 4, 4 * 400, kills=2, evictions=2, rate=RATE)


@pytest.mark.chaos
async def test_kills_and_evictions_lose_nothing_of_many_tasks(tmp_path: Path, figures: Figures) -> None:
    await a_night_with_kills_and_evictions(tmp_path, figures, 8, 8 * 2500, kills=12, evictions=12, rate=2 * RATE)


async def test_evictions_alone_repeat_nothing(tmp_path: Path) -> None:
    async with StandIn(buckets(300), delay_s=0.02) as server:
        job = Job(night(tmp_path / "k", server, shards=3, parallelism=2), "night", tmp_path, KEYS)

        running = asyncio.create_task(job.run())
        for goal in (40, 120):
            await until(lambda goal=goal: len(server.posts) >= goal and job.running())  # type: ignore[misc]  # likewise
            job.evict(job.running()[0])
        assert await running == "Complete", outputs(job)
        assert saved_in(server) == wanted(300)
        assert set(server.saved().values()) == {1}
        assert {action[1:] for action in job.actions} <= EVICTED


async def test_bad_credentials_fail_the_job_at_once(tmp_path: Path) -> None:
    def refuse(_: Seen) -> Reply:
        return refusal(403, "InvalidAccessKeyId")

    async with StandIn(buckets(50), refuse) as server:
        # A pod that is stopped meanwhile has its summary refused, too.
        refused = night(tmp_path / "k", server, shards=4, parallelism=4, patience_s=1)
        job = Job(refused, "night", tmp_path, KEYS)
        assert await job.run() == "Failed"
        assert job.actions[0][1:] == (77, "FailJob")
        assert not server.posts
        assert len(job.pods) <= 4


async def test_a_night_that_is_too_short_is_gone_on_with_in_the_next(tmp_path: Path) -> None:
    async with StandIn(buckets(400), delay_s=0.1) as server:
        short = night(tmp_path / "k", server, shards=2, parallelism=2, more=("--max-duration", "2s"))
        job = Job(short, "night-1", tmp_path / "1", KEYS)
        assert await job.run() == "Failed"
        assert {action[1:] for action in job.actions} == {(5, "FailIndex")}, outputs(job)
        sent = len(server.posts)
        assert 0 < sent == len(saved_in(server)) < 400
        server.delay_s = 0.0
        # Another number of shards, and a Job of another name.
        job = Job(night(tmp_path / "l", server, shards=5, parallelism=3), "night-2", tmp_path / "2", KEYS)
        assert await job.run() == "Complete", outputs(job)
        assert set(server.saved().values()) == {1}
        assert saved_in(server) == wanted(400)


async def test_an_index_that_runs_again_and_two_pods_of_one_index_are_no_harm(tmp_path: Path) -> None:
    async with StandIn(buckets(200), delay_s=0.02) as server:
        job = Job(night(tmp_path / "k", server, shards=2, parallelism=2), "night", tmp_path, KEYS)

        running = asyncio.create_task(job.run())
        await until(lambda: len(server.posts) >= 20)
        second = await job.start(0)
        assert await running == "Complete", outputs(job)
        await until(lambda: not second.is_running)
        assert saved_in(server) == wanted(200)
        sent = len(server.posts)
        again = await job.start(1)
        await until(lambda: not again.is_running)
        assert (again.exit_code, len(server.posts)) == (0, sent)


async def test_results_that_are_refused_for_a_while_are_waited_for(tmp_path: Path) -> None:
    refused = 0

    def down(seen: Seen) -> Reply | None:
        nonlocal refused
        if seen.method == "PUT" and refused < 6:
            refused += 1
            return refusal(503, "ServiceUnavailable")
        return None

    async with StandIn(buckets(100), down) as server:
        job = Job(night(tmp_path / "k", server, shards=2, parallelism=2), "night", tmp_path, KEYS)
        assert await job.run() == "Complete", outputs(job)
        assert refused == 6
        assert saved_in(server) == wanted(100)
        assert set(server.saved().values()) == {1}


@pytest.mark.chaos
async def test_a_pod_that_dies_at_once_is_tried_four_times(tmp_path: Path) -> None:
    async with StandIn(buckets(40), delay_s=60) as server:
        job = Job(night(tmp_path / "k", server, shards=2, parallelism=1), "night", tmp_path, KEYS)
        running = asyncio.create_task(job.run())
        while not running.done():
            for pod in job.running():
                job.kill(pod)
            await asyncio.sleep(0.01)
        assert await running == "Failed"
        assert sorted(job.actions) == [(0, 137, "Count")] * 4 + [(1, 137, "Count")] * 4


async def test_a_pod_that_does_not_know_its_shard_fails_the_job(tmp_path: Path) -> None:
    async with StandIn(buckets(10)) as server:
        cronjob = night(tmp_path / "k", server, shards=2, parallelism=2)
        job = Job(cronjob, "night", tmp_path, {**KEYS, "OSS_SAVEAS_SHARDS": "1"})
        assert await job.run() == "Failed"
        assert (1, 64, "FailJob") in job.actions


@pytest.mark.chaos
@pytest.mark.parametrize(("shards", "parallelism"), [(4, 4), (6, 3)])
async def test_pods_use_the_limit_of_the_run_and_no_more(
    tmp_path: Path, figures: Figures, shards: int, parallelism: int
) -> None:
    rate, arrivals = 4 * parallelism, Arrivals()  # a pod waits 250 ms each time: what it is late by is little of that
    async with StandIn(buckets(shards * 50), arrivals.script) as server, arrivals:
        cronjob = night(tmp_path / "k", server, shards=shards, parallelism=parallelism, rate=rate)
        job = Job(cronjob, "night", tmp_path, KEYS)
        assert await job.run() == "Complete", outputs(job)
        assert_within_the_limit(arrivals, rate, parallelism)
        begin, end = Night(job, server, arrivals).all_at_work(parallelism)
        count = sum(begin <= at < end for at in arrivals.at)
        assert count >= 0.9 * rate * (end - begin) > 90
        figures({f"requests a second of {rate}": round(count / (end - begin), 2)})
        names = [name for _, name in server.contents if name.endswith(".summary.json")]
        summaries = [json.loads(server.contents["results", name]) for name in names]
        assert {summary["shard"] for summary in summaries} == {f"{index}/{shards}" for index in range(shards)}

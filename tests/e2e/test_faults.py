"""Every fault of the local OSS against the real program: each task is saved, or truthfully failed."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Figures
from tests.e2e.desk import CONFIG, MANIFEST, Desk, Ended
from tests.e2e.test_endings import reconciled
from tests.emulator.pictures import jpeg
from tests.issuers import Issuer, issued, key, reply
from worker.emulator.faults.rules import Fault

# All kinds of faults, for all kinds of requests; those that can strike before and after the work do both.
RULES = {
    Fault.LATENCY: ["seconds: 10ms, jitter: 40ms"],
    Fault.ANSWER: [
        "status: 500, code: InternalError",
        "status: 500, code: InternalError, processed: true",
        "status: 503, code: ServiceUnavailable",
        "status: 429, code: QpsLimitExceeded, retry_after: '1'",
    ],
    Fault.RESET: ["processed: false", "processed: true"],
    Fault.HANG: ["processed: false", "processed: true"],
    Fault.HALF_BODY: [""],
    Fault.SLOW_BODY: ["seconds: 50ms"],
    Fault.WRONG_JSON: ["processed: false", "processed: true"],
    Fault.WRONG_TARGET: ["processed: false", "processed: true"],
    Fault.EMPTY_ANSWER: ["processed: false", "processed: true"],
    Fault.QPS_LIMIT: ["limit: 5"],
    Fault.SOURCE_LIMIT: ["limit: 0.001"],
    Fault.CPU_LIMIT: ["limit: 1"],
    Fault.CLOCK_SKEW: ["seconds: 1h", "seconds: -1h"],
    Fault.EXPIRED_TOKEN: [""],
}
KEYS = 400
# A task is to end by its attempts, not by the patience of the test.
SETTINGS = "\nfailure: {canary: 0, max_ratio: 1}\n"
RUNS = 60


def rules(faults: list[Fault], share: float) -> str:
    """A faults file by which `share` of the requests meet each of these faults."""
    written = [
        f"  - {{fault: {fault}, probability: {share / len(RULES[fault])}{', ' if more else ''}{more}}}\n"
        for fault in faults
        for more in RULES[fault]
    ]
    return "version: 1\nseed: 11\nfaults:\n" + "".join(written)


def in_turn(every: int) -> str:
    """A faults file by which one in so many requests meets a fault, each of all in its turn."""
    each = [(fault, more) for fault, parameters in RULES.items() for more in parameters]
    written = []
    for number, (fault, more) in enumerate(each):
        struck = list(range(every * (number + 1), 5000, every * len(each)))
        written.append(f"  - {{fault: {fault}, nth: {struck}{', ' if more else ''}{more}}}\n")
    return "version: 1\nfaults:\n" + "".join(written)


@asynccontextmanager
async def troubled(desk: Desk, tasks: int, faults: str) -> AsyncIterator[dict[str, str]]:
    """A served local OSS with faults, and short keys for it: what the environment has to say."""
    picture = jpeg(8, 6)
    for number in range(tasks):
        desk.write(f"oss/photos/in/{number:05}.jpg", picture)
    (desk.path / "oss/renditions").mkdir()
    accounts = [key(number) for number in range(1, KEYS)]
    keys = [
        {
            "id": one.access_key_id,
            "secret": one.access_key_secret,
            "token": one.security_token,
            "policies": ["full-access"],
        }
        for one in accounts
    ]
    desk.write("policies.yaml", json.dumps({"version": 1, "keys": keys}))
    desk.write("faults.yaml", faults)
    url = await desk.serve("--root", "oss", "--policies", "policies.yaml", "--faults", "faults.yaml")
    desk.write("job.yaml", MANIFEST)
    settings = CONFIG.format(endpoint=url, rate=2000, concurrency=32)
    settings = settings.replace("total_s: 20", "total_s: 1").replace("task_deadline_s: 2", "task_deadline_s: 60")
    desk.write("config.yaml", settings + SETTINGS)
    async with Issuer(
        lambda _: reply({"Code": "Success", **issued(len(issuer.asked) % (KEYS - 1) + 1, at=datetime.now(UTC))})
    ) as issuer:
        yield {"ALIBABA_CLOUD_CREDENTIALS_URI": f"{issuer.url}/keys"}


def newest(desk: Desk) -> dict[str, dict[str, Any]]:
    return {line["target"]["key"]: line for line in desk.lines()}


def stored(desk: Desk) -> dict[str, int]:
    """The sizes of all targets that are really there."""
    folder = desk.path / "oss/renditions"
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*.jpg")}


def assert_truthful(desk: Desk, ended: Ended) -> None:
    """The counts add up, and what is called saved is in the store, of the recorded size."""
    assert reconciled(ended.json)
    there = stored(desk)
    for line in desk.lines():
        target = line["target"]
        assert line["status"] in {"saved", "failed"}
        if line["status"] == "saved":
            assert there[target["key"]] == target.get("size", there[target["key"]])


async def survive(desk: Desk, tasks: int, faults: str) -> dict[str, object]:
    """Run until a run says that it is through; what was counted."""
    codes: Counter[int] = Counter()
    tries: Counter[str] = Counter()
    attempts = 0
    async with troubled(desk, tasks, faults) as environ:
        for _ in range(RUNS):
            ended = await desk.run("run", "job.yaml", "--json", environ=environ, within_s=300)
            codes[ended.code] += 1
            if "planned" in ended.json:
                assert_truthful(desk, ended)
                tries.update(ended.json["tries"])
                attempts += ended.json["attempts"]
            if ended.code in {0, 3}:
                break
            # A run may be refused or stopped, where even what it begins with meets faults again and again.
            assert ended.code in {4, 77}, ended.err
    assert ended.code in {0, 3}, codes
    assert ended.json["enumeration"] == "complete"
    # What failed is not there, or its line says that it may be.
    assert set(stored(desk)) <= {line["target"]["key"] for line in desk.lines() if line.get("touched", True)}
    lines = newest(desk)
    assert len(lines) == ended.json["planned"] == tasks
    saved = sum(line["status"] == "saved" for line in lines.values())
    assert saved == ended.json["saved"] + ended.json["already_saved"]
    assert tasks - saved == ended.json["failed"]
    return {
        "tasks": tasks,
        "saved": saved,
        "failed": tasks - saved,
        "attempts": attempts,
        "runs": dict(codes),
        "tries": dict(tries),
    }


CHAOS = pytest.mark.chaos


@pytest.mark.parametrize(
    ("every", "tasks"), [(3, 60), pytest.param(10, 1000, marks=CHAOS), pytest.param(3, 1000, marks=CHAOS)]
)
async def test_one_in_so_many_requests_meets_one_of_all_faults(
    desk: Desk, figures: Figures, every: int, tasks: int
) -> None:
    figures(await survive(desk, tasks, in_turn(every)))


@pytest.mark.chaos
@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_a_share_of_requests_meets_each_fault_at_once(desk: Desk, figures: Figures, share: float) -> None:
    figures(await survive(desk, 500, rules(list(Fault), share)))


@pytest.mark.chaos
@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("fault", list(Fault))
async def test_each_fault_alone(desk: Desk, figures: Figures, fault: Fault, share: float) -> None:
    figures(await survive(desk, 300, rules([fault], share)))

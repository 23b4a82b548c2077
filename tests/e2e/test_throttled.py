"""A service that can do little at once: the run gives way, says so, and saves everything."""

import re
from dataclasses import replace

import pytest

from tests.e2e.desk import CONFIG, MANIFEST, Desk
from tests.e2e.test_endings import photos, reconciled
from tests.stand_in import Reply, Seen, StandIn, refusal

SLOTS = 4
CHANGE = re.compile(r"CpuLimitExceeded: (\d+) -> (\d+) in flight")


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_service_with_few_slots_is_given_way_to_and_every_change_is_told(desk: Desk, processes: int) -> None:
    declined = 0

    def crowded(request: Seen) -> Reply | None:
        nonlocal declined
        if request.method != "POST" or server.in_flight <= SLOTS:
            return None
        declined += 1
        return replace(refusal(503, "CpuLimitExceeded"), delay_s=0.001)

    async with StandIn(photos(400), crowded, delay_s=0.02) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--json", "--processes", str(processes))
        assert (ended.code, ended.json["saved"]) == (0, 400)
        assert server.most_in_flight <= 8 * processes
    assert reconciled(ended.json)
    assert ended.json["tries"] == {"CpuLimitExceeded": declined}
    assert 0 < declined <= 150
    events = [event["event"] for event in ended.json["events"]]
    assert CHANGE.fullmatch(events[0])
    assert all(int(found[2]) < int(found[1]) for found in map(CHANGE.fullmatch, events) if found)
    assert [event["at"] for event in ended.json["events"]] == sorted(event["at"] for event in ended.json["events"])
    assert all(event in ended.err for event in events)
    assert not any("paused" in event for event in events)
    assert desk.summaries()[0]["events"] == ended.json["events"]
    timeline = ended.json["timeline"]
    assert sum(row["saved"] for row in timeline) == ended.json["saved"]
    assert sum(row["throttled"] for row in timeline) == sum(ended.json["tries"].values())
    assert all(row["limits"]["concurrency"] <= 64 and row["seconds"] == 10 for row in timeline)


async def test_with_adaptive_off_what_is_set_is_in_flight_at_once(desk: Desk) -> None:
    async with StandIn(photos(100), delay_s=0.5) as server:
        desk.write("job.yaml", MANIFEST)
        config = CONFIG.format(endpoint=server.url, rate=5000, concurrency=32)
        desk.write("config.yaml", config.replace("concurrency: 32", "concurrency: 32, adaptive: false"))
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"], ended.json["events"]) == (0, 100, [])
        assert server.most_in_flight == 32

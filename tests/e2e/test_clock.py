"""Clocks that do not agree, from end to end: the service's is an hour off, or jumps while a run goes on."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Figures
from tests.e2e.desk import MANIFEST, Desk
from tests.emulator.pictures import jpeg

CHAOS = pytest.mark.chaos
ALWAYS = "  - {{fault: clock-skew, seconds: {0}1h}}\n"
# Back and forth in mid-run: half of the requests come after the jump.
JUMP = "  - {{fault: clock-skew, seconds: {0}1h, from: {1}}}\n"


@pytest.mark.parametrize("sign", ["", "-"], ids=["ahead", "behind"])
# An answer from before a jump that comes late sets the clock back: a task may then be refused twice.
@pytest.mark.parametrize("jumps", [False, pytest.param(True, marks=CHAOS)], ids=["always", "jumps"])
@pytest.mark.parametrize("tasks", [30, pytest.param(1000, marks=CHAOS)])
async def test_a_clock_an_hour_off_fails_nothing(
    desk: Desk, figures: Figures, sign: str, jumps: bool, tasks: int
) -> None:
    for number in range(tasks):
        desk.write(f"oss/photos/in/{number:05}.jpg", jpeg(8, 6))
    (desk.path / "oss/renditions").mkdir()
    rule = (JUMP if jumps else ALWAYS).format(sign, tasks // 2)
    desk.write("faults.yaml", f"version: 1\nfaults:\n{rule}")
    desk.set_up(await desk.serve("--root", "oss", "--faults", "faults.yaml"), MANIFEST, concurrency=8)
    ended = await desk.run("run", "job.yaml", "--json")
    assert (ended.code, ended.json["saved"], ended.json["failed"]) == (0, tasks, 0), ended.err
    skewed = ended.json["tries"].get("RequestTimeTooSkewed", 0)
    # Once the clock is known nobody is refused any more.
    assert (skewed > 0) is jumps
    assert skewed <= 8
    # Lines bear the service's time, from the first to the last; those before a jump back keep theirs.
    off = timedelta(hours=-1 if sign else 1)
    last = datetime.fromisoformat(desk.lines()[-1]["at"]) - datetime.now(UTC)
    if not (jumps and sign):
        assert abs(last - off) < timedelta(minutes=10)
    again = await desk.run("run", "job.yaml", "--json")
    assert (again.code, again.json["attempts"], again.json["already_saved"]) == (0, 0, tasks)
    figures({"tasks": tasks, "refused as too skewed": skewed, "failed": 0})

"""Relays: what saveas refuses between two regions is done by a GET and a PUT, whatever breaks on the way."""

import asyncio
import hashlib
import io
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.request import urlopen

import alibabacloud_oss_v2 as v2
import oss2
import oss2.credentials
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench import relays
from tests.conftest import Figures
from tests.cutting import Cut, cutting
from tests.e2e.desk import KEYS, SECRET, Desk, until
from tests.e2e.mounts import mounted
from tests.examples import examples
from tests.stand_in import Reply, Seen, StandIn, keys_below
from worker.connection import connect
from worker.dispatch.relay import Relay
from worker.dispatch.sender import Outcome
from worker.dispatch.stopping import Stop
from worker.emulator.access.accounts import Access
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.oss.endpoint import Site
from worker.oss.names import ObjectRef
from worker.oss.request import Request
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, Saved
from worker.settings import Limits, Retry, Settings

CHAOS = pytest.mark.chaos
HERE, THERE = "cn-hangzhou", "eu-central-1"
REGIONS = {"photos": HERE, "near": HERE, "far": THERE}
PROCESS = "image/resize,w_40/format,png"
MANIFEST = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: in/
pipelines:
  - name: there
    save: relay
    process: {process}
    target: {{bucket: far, key: "small/{{key}}", endpoint: "{endpoint}", region: eu-central-1}}
"""
BOTH = """\
  - name: here
    process: {process}
    target: {{bucket: near, key: "small/{{key}}"}}
"""


def photo(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.frombytes("RGB", (60, 40), random.Random(seed).randbytes(60 * 40 * 3)).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass(slots=True)
class Regions:
    """A local OSS with buckets in two regions, in this process; counts what was asked for."""

    store: MemoryStore = field(default_factory=MemoryStore)
    seen: Counter[str] = field(default_factory=Counter)
    url: str = ""

    @asynccontextmanager
    async def served(self, pictures: int = 1) -> AsyncIterator["Regions"]:
        def count(operation: str, _: Request) -> None:
            self.seen[operation] += 1

        keys = Credentials(KEYS["OSS_ACCESS_KEY_ID"], SECRET)
        async with LocalOSS(self.store, [keys], access=Access(buckets=REGIONS), on_request=count) as server:
            for number in range(pictures):
                put(self.store, "photos", f"in/{number}.jpg", photo(number), {"content-type": "image/jpeg"})
            self.url = server.url
            yield self

    def targets(self, bucket: str = "far") -> dict[str, bytes]:
        found = {}
        for key in self.store.keys(bucket, "", b""):
            content = self.store.open(bucket, key)
            assert content is not None
            with content:
                found[key] = content.file.read()
        return found

    def content_type(self, key: str) -> str | None:
        stored = self.store.stat("far", key)
        return stored.headers.get("content-type") if stored else None


def set_up(desk: Desk, endpoint: str, *, both: bool = False, concurrency: int = 8) -> None:
    manifest = MANIFEST + (BOTH if both else "")
    desk.set_up(endpoint, manifest.format(process=PROCESS, endpoint=endpoint), concurrency=concurrency)


async def test_what_saveas_refuses_a_relay_does_and_the_bytes_are_those_of_saveas(desk: Desk) -> None:
    async with Regions().served(12) as regions:
        set_up(desk, regions.url, both=True)
        plain = MANIFEST.replace("    save: relay\n", "").replace(', endpoint: "{endpoint}", region: eu-central-1', "")
        desk.write("plain.yaml", plain.format(process=PROCESS, endpoint=regions.url))
        refused = await desk.run("run", "plain.yaml", "--json")
        assert refused.code == 64
        assert (
            "use `save: relay` and `target: {bucket: far, endpoint: https://oss-eu-central-1.aliyuncs.com"
            in refused.err
        )
        assert not regions.targets()
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"], ended.json["attempts"]) == (0, 24, 24), ended.err
        assert len(regions.targets()) == 12
        assert regions.targets("far") == regions.targets("near")
        assert {regions.content_type(key) for key in regions.targets()} == {"image/png"}
        assert regions.seen["ProcessObject"] == regions.seen["GetObject"] == regions.seen["PutObject"] == 12
        for line in desk.lines():
            size = len(regions.targets(line["target"]["bucket"])[line["target"]["key"]])
            assert (line["target"]["size"], line["attempts"], line["status"]) == (size, 1, "saved")
        # The log knows them as it knows all others: nothing is done again, and what is gone is missed.
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.code, again.json["already_saved"], again.json["attempts"]) == (0, 24, 0)
        regions.store.delete("far", "small/in/3.jpg")
        verified = await desk.run("verify", "job.yaml", "--json")
        assert (verified.code, verified.json["intact"], verified.json["missing"]) == (3, 23, 1)
        mended = await desk.run("run", "job.yaml", "--json")
        assert (mended.code, mended.json["saved"]) == (0, 1)
        assert len(regions.targets()) == 12


async def test_a_relay_is_planned_checked_and_permitted_as_what_it_is(desk: Desk) -> None:
    async with Regions().served(5) as regions:
        set_up(desk, regions.url, both=True)
        planned = (await desk.run("plan", "job.yaml", "--json")).json
        assert (planned["posts"], planned["relays"], planned["unknown_sizes"]) == (5, 5, 0)
        # A listing of sources, a PUT for each relay; three buckets asked after, a POST or a GET for each task.
        assert planned["run_requests"] == {"put": 1 + 5, "get": 3 + 10}
        samples = [sample for sample in planned["samples"] if sample["pipeline"] == "there"]
        assert len(samples) == 3
        for sample in samples:
            key = sample["source"].removeprefix("oss://photos/")
            assert sample["request"] == f"GET /{key}?x-oss-process={PROCESS}"
            assert (sample["body"], sample["then"]) == ("", f"PUT /small/{key}")
        said = (await desk.run("plan", "job.yaml")).out
        assert "5 POSTs and 5 relays (a GET and a PUT each)" in said
        checked = await desk.run("check", "job.yaml", "--probe", "--json")
        assert checked.code == 0, checked.out
        assert [check["message"] for check in checked.json["checks"] if check["name"] == "bucket"] == [
            "photos is there, in cn-hangzhou",
            "far is there, in eu-central-1",
            "near is there, in cn-hangzhou",
        ]
        assert sum(check["name"] == "probe" for check in checked.json["checks"]) == 2
        assert not regions.targets()
        assert not regions.targets("near")
        policy = (await desk.run("policy", "job.yaml")).json
        assert json.dumps(policy).count("acs:oss:*:*:far/small/*") == 1


async def test_processes_share_relays(desk: Desk) -> None:
    async with Regions().served(30) as regions:
        set_up(desk, regions.url)
        ended = await desk.run("run", "job.yaml", "--processes", "2", "--json")
        assert (ended.code, ended.json["saved"], len(regions.targets())) == (0, 30, 30), ended.err


async def test_a_signal_lets_what_was_read_be_written(desk: Desk) -> None:
    async with Regions().served(120) as regions:
        set_up(desk, regions.url)
        process = await desk.start("run", "job.yaml", "--json", "--rate", "60")
        await until(lambda: regions.seen["GetObject"] >= 20)
        process.send_signal(signal.SIGTERM)
        ended = await desk.end(process)
        assert ended.code == 75, ended.err
        assert ended.json["saved"] == regions.seen["GetObject"] == regions.seen["PutObject"] == len(regions.targets())
        assert (await desk.run("run", "job.yaml")).code == 0
        assert regions.seen["GetObject"] == len(regions.targets()) == 120


async def killed(desk: Desk, regions: Regions, puts: int) -> None:
    process = await desk.start("run", "job.yaml", "--rate", "300")
    await until(lambda: regions.seen["PutObject"] >= puts or process.returncode is not None)
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.parametrize(("kills", "tasks"), [(2, 60), pytest.param(40, 1500, marks=CHAOS)])
async def test_a_run_killed_again_and_again_leaves_no_wrong_target(
    desk: Desk, figures: Figures, kills: int, tasks: int
) -> None:
    dice = random.Random(11)
    async with Regions().served(tasks) as regions:
        set_up(desk, regions.url)
        for _ in range(kills):
            goal = regions.seen["PutObject"] + dice.randrange(1, tasks // kills)
            await killed(desk, regions, goal)
            targets = regions.targets()
            for line in desk.lines():
                assert len(targets[line["target"]["key"]]) == line["target"]["size"]
        last = await desk.run("run", "job.yaml", "--json")
        assert (last.code, len(desk.saved())) == (0, tasks), last.err
        targets = regions.targets()
        assert len(targets) == tasks
        for content in targets.values():
            Image.open(io.BytesIO(content)).load()
        repeated = regions.seen["PutObject"] - tasks
        assert not list(desk.path.with_name(f"{desk.path.name}-temporary").iterdir())
        figures({"kills": kills, "relays": tasks, "lost": 0, "repeated": repeated})


@asynccontextmanager
async def relay_over(url: str, attempts: int) -> AsyncIterator[Callable[[], Awaitable[Outcome[Saved]]]]:
    settings = Settings(
        endpoint=url,
        region=HERE,
        retry=Retry(max_attempts=attempts, base_delay_s=0.001, max_delay_s=0.002, task_deadline_s=30),
        limits=Limits(100_000, 100_000, 4),
    )
    sites = {"far": Site(url, THERE)}
    async with connect(settings, KEYS, Stop(), 1, lambda *_, **__: None, sites) as connection:

        async def save() -> Outcome[Saved]:
            source, target = ObjectRef("photos", "in/0.jpg"), ObjectRef("far", "a.png")
            return await Relay(connection.sender).save(source, 1000, PROCESS, target)

        yield save


CUTS = st.builds(Cut, upwards=st.booleans(), after=st.integers(0, 5000))
OLD = b"what was there before"


class Way:
    """A relay of one picture, again and again, over a way that breaks."""

    def __init__(self, runner: asyncio.Runner, regions: Regions) -> None:
        self._runner = runner
        self._regions = regions
        outcome, self.whole = self.relayed(lambda _: None)
        assert isinstance(outcome.verdict, Saved)
        Image.open(io.BytesIO(self.whole)).load()

    def relayed(self, cut_of: Callable[[int], Cut | None], attempts: int = 3) -> tuple[Outcome[Saved], bytes]:
        """What a relay says, and what its target is afterwards."""
        return self._runner.run(self._relayed(cut_of, attempts))

    async def _relayed(self, cut_of: Callable[[int], Cut | None], attempts: int) -> tuple[Outcome[Saved], bytes]:
        put(self._regions.store, "far", "a.png", OLD)
        async with cutting(self._regions.url, cut_of) as url, relay_over(url, attempts) as save:
            outcome = await save()
        return outcome, self._regions.targets()["a.png"]


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with asyncio.Runner() as runner:
        serving = Regions().served()
        yield Way(runner, runner.run(serving.__aenter__()))
        runner.run(serving.__aexit__(None, None, None))


@examples(150)
@given(CUTS)
def test_a_connection_that_breaks_at_any_byte_is_made_up_for(way: Way, cut: Cut) -> None:
    outcome, target = way.relayed(lambda number: None if number else cut)
    assert outcome.verdict == Saved(len(way.whole), outcome.verdict.request_id)
    assert target == way.whole


@examples(150)
@given(CUTS)
def test_connections_that_all_break_leave_no_wrong_target_recorded_as_saved(way: Way, cut: Cut) -> None:
    outcome, target = way.relayed(lambda _: cut, attempts=2)
    whole = way.whole
    if isinstance(outcome.verdict, Failure):
        assert target in ({OLD, whole} if outcome.touched else {OLD})
    else:
        assert target == whole
        assert outcome.verdict.size == len(whole)


async def test_official_sdks_read_what_was_relayed_and_open_the_printed_url(desk: Desk) -> None:
    async with Regions().served(1) as regions:
        set_up(desk, regions.url)
        assert (await desk.run("run", "job.yaml")).code == 0
        (target,) = regions.targets().values()
        printed = await desk.run("url", "job.yaml", "--key", "in/0.jpg", "--expires", "1h")
        assert (printed.code, printed.err) == (0, "")

        def ask() -> list[bytes]:
            auth = oss2.ProviderAuthV4(oss2.credentials.StaticCredentialsProvider(*KEYS.values()))
            first = oss2.Bucket(auth, regions.url, "far", region=THERE)
            keys = v2.credentials.StaticCredentialsProvider(*KEYS.values())
            config = v2.Config(region=THERE, endpoint=regions.url, use_path_style=True, credentials_provider=keys)
            request = v2.GetObjectRequest(bucket="far", key="small/in/0.jpg")
            second = v2.Client(config).get_object(request)
            with urlopen(printed.out.strip()) as opened:  # noqa: S310 - of our own server
                third = opened.read()
            fourth = first.get_object_with_url(printed.out.strip())
            return [first.get_object("small/in/0.jpg").read(), second.body.content, third, fourth.read()]

        assert await asyncio.to_thread(ask) == [target] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("count", "megabytes"), [(16, 4), pytest.param(64, 20, marks=CHAOS)])
def test_what_is_held_on_the_way_is_bounded(figures: Figures, count: int, megabytes: int) -> None:
    figure = relays.measure(count, megabytes)
    assert figure.peak_mb <= relays.allowed_mb(count)
    figures({"relays in flight": count, "MB each": megabytes, "peak MB": round(figure.peak_mb)})


SMALL = 'mkdir "$0/temporary" && mount -t tmpfs -o size=1m none "$0/temporary"'


async def test_a_full_disk_is_waited_for(desk: Desk) -> None:
    large = bytes(3_000_000)
    etag = hashlib.md5(large, usedforsecurity=False).hexdigest()
    read = 0

    def script(request: Seen) -> Reply | None:
        nonlocal read
        if request.method == "PUT":
            return Reply(200, (("ETag", etag),))
        if "x-oss-process" not in request.query:
            return None
        read += 1
        return Reply(200, (("Content-Type", "image/png"),), large)

    async with (
        mounted(desk.path, SMALL) as mounts,
        StandIn({"photos": keys_below("in/", 12), "far": {}}, script) as server,
    ):
        server.location = ""
        set_up(desk, server.url)
        environ = {**KEYS, "OSS_SAVEAS_RETRY__TASK_DEADLINE_S": "300"}
        process = await desk.start(
            "run",
            "job.yaml",
            "--json",
            environ={**environ, "TMPDIR": str(desk.path / "temporary")},
            within=mounts.within,
        )
        await until(lambda: read >= 10)
        assert not server.counts["PUT"]
        await mounts.mount("-o", "remount,size=200m", str(desk.path / "temporary"))
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"]) == (0, 12), ended.err
        assert ended.json["tries"]["TemporaryFull"] >= 10 - 8  # all but those that were in flight
        assert any("TemporaryFull" in line["tries"] for line in desk.lines())

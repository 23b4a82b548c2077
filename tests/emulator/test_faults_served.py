"""Each fault over HTTP, and what the real worker makes of it: saved, or truthfully failed."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from defusedxml import ElementTree

from tests.emulator.client import KEYS, TEMPORARY, Client, unsigned
from tests.emulator.pictures import jpeg
from tests.emulator.worker_run import SETTINGS, Ran, run_worker
from worker.emulator.faults.deciding import Faults
from worker.emulator.faults.reading import parse_rule
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.errors import AccessError
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request
from worker.oss.signing import sign_v4

LIMIT_S = 60
SAVE = saveas("image/resize,w_20", ObjectRef("renditions", "out/a.jpg"))


@asynccontextmanager
async def served(*rules: str, auth: bool = False) -> AsyncIterator[tuple[Client, MemoryStore]]:
    store = MemoryStore()
    for bucket in ("photos", "renditions"):
        store.make_bucket(bucket)
    for name in "abcdefgh":
        put(store, "photos", f"{name}.jpg", jpeg(60, 40))
    put(store, "photos", "text", b"0123456789")
    async with LocalOSS(store, [KEYS, TEMPORARY], faults=Faults(map(parse_rule, rules)), auth=auth) as server:
        yield Client(server.url, sign=unsigned), store


async def got(client: Client, key: str = "text") -> tuple[int, bytes]:
    url = f"{client.url}/photos/{key}"
    async with asyncio.timeout(LIMIT_S), aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


def code(body: bytes) -> str | None:
    return ElementTree.fromstring(body).findtext("Code")


async def test_an_answer_is_an_error_document_with_what_the_rule_says() -> None:
    rule = (
        "{fault: answer, status: 429, code: QpsLimitExceeded, message: slow down, ec: 0001-1, retry_after: 7, nth: 1}"
    )
    async with served(rule) as (client, _):
        answer = await client.get("photos", "text")
        assert (answer.status, code(answer.body)) == (429, "QpsLimitExceeded")
        assert (answer.headers["retry-after"], answer.headers["x-oss-ec"]) == ("7", "0001-1")
        assert (await client.get("photos", "text")).status == 200


@pytest.mark.parametrize("processed", ["true", "false"])
async def test_answers_and_resets_come_before_or_after_the_work(processed: str) -> None:
    for fault in ("answer, status: 500, code: InternalError", "reset", "wrong-json", "wrong-target", "empty-answer"):
        async with served(f"{{fault: {fault}, processed: {processed}}}") as (client, store):
            if fault == "reset":
                with pytest.raises(ConnectionResetError):
                    await client.put("photos", "new", b"new")
            else:
                answer = await client.put("photos", "new", b"new")
                assert answer.status == (500 if fault.startswith("answer") else 200)
            assert (store.stat("photos", "new") is not None) is (processed == "true"), fault


async def test_a_latency_is_waited_for() -> None:
    async with served("{fault: latency, seconds: 0.2, jitter: 0.1}") as (client, _):
        began = time.monotonic()
        assert (await client.get("photos", "text")).status == 200
        assert time.monotonic() - began >= 0.2


async def test_a_hang_ends_with_the_client_and_with_the_server() -> None:
    async with served("{fault: hang}") as (client, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await got(client)
        waiting = asyncio.create_task(got(client))
        await asyncio.sleep(0.1)
        began = time.monotonic()
    with pytest.raises(aiohttp.ClientError):
        await waiting
    assert time.monotonic() - began < 30, "stopping does not wait for who hangs"


async def test_half_a_body_is_told_by_its_length() -> None:
    async with served("{fault: half-body}") as (client, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await got(client)


async def test_a_slow_body_takes_its_time_and_is_whole() -> None:
    async with served("{fault: slow-body, seconds: 0.3}") as (client, store):
        began = time.monotonic()
        assert await got(client) == (200, b"0123456789")
        assert time.monotonic() - began >= 0.25
        put(store, "photos", "empty", b"")
        assert await got(client, "empty") == (200, b"")


async def test_a_slow_body_ends_with_the_server() -> None:
    async with served('{"fault": "slow-body", "seconds": 3600}') as (client, _):
        parts = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /photos/text HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        began = time.monotonic()
    assert time.monotonic() - began < LIMIT_S
    assert await reader.read() == b"0123456789"
    writer.close()


async def test_answers_of_saveas_are_spoiled() -> None:
    async with served("{fault: wrong-json, nth: 1}", "{fault: wrong-target, nth: 2}", "{fault: empty-answer}") as (
        c,
        _,
    ):
        wrong, other, empty = [await c.process("photos", "a.jpg", SAVE) for _ in range(3)]
        assert [answer.status for answer in (wrong, other, empty)] == [200, 200, 200]
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(wrong.body)
        assert json.loads(other.body)["object"] == "out/a.jpg.other"
        assert empty.body == b""


async def test_limits_refuse_as_the_service_does() -> None:
    big = "{fault: cpu-limit, limit: 1}"
    for rule, http, wanted in (
        ("{fault: qps-limit, limit: 1}", 429, "QpsLimitExceeded"),
        ("{fault: source-limit, limit: 0.01}", 503, "DownloadTrafficRateLimitExceeded"),
    ):
        async with served(rule) as (client, store):
            put(store, "photos", "a.jpg", jpeg(60, 40) + bytes(20_000))
            # At once: one after the other they could be more than a second apart.
            answers = await asyncio.gather(*(client.process("photos", "a.jpg", SAVE) for _ in range(2)))
            assert sorted(answer.status for answer in answers) == [200, http]
            assert code(max(answers, key=lambda answer: answer.status).body) == wanted
    async with served(big, "{fault: latency, seconds: 0.3}") as (client, _):
        answers = await asyncio.gather(*(client.process("photos", "a.jpg", SAVE) for _ in range(3)))
        assert sorted(answer.status for answer in answers) == [200, 503, 503]
        assert (await client.process("photos", "a.jpg", SAVE)).status == 200


async def test_a_skewed_clock_shows_in_the_date_and_in_the_judging() -> None:
    def now(request: Request) -> Request:
        return sign_v4(request, KEYS, region="cn-hangzhou", at=datetime.now(UTC))

    async with served("{fault: clock-skew, seconds: 1h}", auth=True) as (client, _):
        answer = await replace(client, sign=now).get("photos", "text")
        assert (answer.status, code(answer.body)) == (403, "RequestTimeTooSkewed")
        ahead = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
        assert 3000 < ahead.total_seconds() < 4200


# What goes wrong, settings beside the usual, what becomes of each source, and the least of failed attempts by code.
KEYS_OF = [f"{name}.jpg" for name in "abcdefgh"]
POSTS = "operation: ProcessObject"
SHORT = SETTINGS.replace("total_s: 5", "total_s: 2")
CASES = {
    "latency": (f"{{fault: latency, seconds: 0.05, jitter: 0.05, {POSTS}}}", SETTINGS, "saved", {}),
    "throttled once": (
        f"{{fault: answer, status: 503, code: CpuLimitExceeded, nth: 1, per_key: true, {POSTS}}}",
        SETTINGS,
        "saved",
        {"CpuLimitExceeded": 8},
    ),
    "failing for good": (
        f"{{fault: answer, status: 500, code: InternalError, {POSTS}}}",
        SETTINGS,
        "InternalError",
        {"InternalError": 24},
    ),
    "failing after the work": (
        f"{{fault: answer, status: 500, code: InternalError, nth: 1, processed: true, per_key: true, {POSTS}}}",
        SETTINGS,
        "saved",
        {"InternalError": 8},
    ),
    "reset before": (f"{{fault: reset, nth: 1, per_key: true, {POSTS}}}", SETTINGS, "saved", {}),
    "reset after": (f"{{fault: reset, nth: 1, processed: true, per_key: true, {POSTS}}}", SETTINGS, "saved", {}),
    "always reset": (f"{{fault: reset, {POSTS}}}", SETTINGS, "ConnectionLost", {}),
    "half of the answer": (f"{{fault: half-body, nth: 1, per_key: true, {POSTS}}}", SETTINGS, "saved", {}),
    "slow answer": (f"{{fault: slow-body, seconds: 0.2, {POSTS}}}", SETTINGS, "saved", {}),
    "hanging once": (f"{{fault: hang, nth: 1, per_key: true, {POSTS}}}", SHORT, "saved", {"Timeout": 8}),
    "wrong JSON once": (
        f"{{fault: wrong-json, nth: 1, per_key: true, {POSTS}}}",
        SETTINGS,
        "saved",
        {"UnreadableAnswer": 8},
    ),
    "wrong target": (f"{{fault: wrong-target, {POSTS}}}", SETTINGS, "WrongTarget", {"WrongTarget": 8}),
    "empty, and done": (f"{{fault: empty-answer, {POSTS}}}", SETTINGS, "saved", {}),
    "empty, and not done": (f"{{fault: empty-answer, processed: false, {POSTS}}}", SETTINGS, "?", {}),
    "requests limited": (f"{{fault: qps-limit, limit: 6, {POSTS}}}", SETTINGS, "saved", {"QpsLimitExceeded": 1}),
    "bytes limited": (
        f"{{fault: source-limit, limit: 0.002, {POSTS}}}",
        SETTINGS,
        "saved",
        {"DownloadTrafficRateLimitExceeded": 1},
    ),
    "pictures limited": (
        "{fault: cpu-limit, limit: 1}",
        SETTINGS,
        "saved",
        {"CpuLimitExceeded": 1},
    ),
    "clock ahead": ("{fault: clock-skew, seconds: 1h}", SETTINGS, "saved", {}),
    "clock behind": ("{fault: clock-skew, seconds: -1h}", SETTINGS, "saved", {}),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_worker_saves_or_truthfully_fails(case: str, tmp_path: Path) -> None:
    rule, settings, wanted, tries = CASES[case]
    # A picture takes next to no time: what limits pictures at once needs them to take some.
    rules = [rule, f"{{fault: latency, seconds: 0.1, {POSTS}}}"] if "cpu-limit" in rule else [rule]
    async with served(*rules, auth=True) as (client, store):
        async with asyncio.timeout(LIMIT_S):
            ran = await run_worker(client.url, tmp_path, KEYS, sources="prefix: ''", settings=settings)
        check_truthful(ran, store)
        codes = ran.codes()
        assert sorted(codes) == KEYS_OF
        if wanted != "?":
            assert set(codes.values()) == {wanted}, codes
        else:
            assert "saved" not in codes.values()
        assert ran.summary.exit == (0 if wanted == "saved" else 3)
        for name, least in tries.items():
            assert ran.summary.tries[name] >= least, ran.summary.tries
        if "nth: 1" in rule:
            assert ran.summary.attempts >= 16, "each first attempt was in vain"


def check_truthful(ran: Ran, store: MemoryStore) -> None:
    """What is called saved is there; the counts add up."""
    summary = ran.summary
    assert summary.planned == summary.saved + summary.failed == len(KEYS_OF)
    for key, found in ran.codes().items():
        if found == "saved":
            assert store.stat("renditions", f"out/{key}") is not None


async def test_the_worker_is_told_that_its_token_has_expired(tmp_path: Path) -> None:
    async with served("{fault: expired-token}", auth=True) as (client, _):
        with pytest.raises(AccessError, match="SecurityTokenExpired"):
            await run_worker(client.url, tmp_path, TEMPORARY)
        assert (await run_worker(client.url, tmp_path, KEYS)).codes() == {"a.jpg": "saved"}


async def test_the_serve_command_takes_a_faults_file_and_resets_on_its_own_event_loop(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text("version: 1\nfaults: [{fault: reset, nth: 1}]\n")
    command = [sys.executable, "-m", "worker", "serve", "--memory", "--no-auth", "--faults"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OSS_")}
    child = await asyncio.create_subprocess_exec(
        *command, str(tmp_path / "faults.yaml"), stdout=asyncio.subprocess.PIPE, env=environ
    )
    assert child.stdout is not None
    try:
        line = (await asyncio.wait_for(child.stdout.readline(), LIMIT_S)).decode()
        client = Client(line.removeprefix("listening on ").strip(), sign=unsigned)
        with pytest.raises(ConnectionResetError):
            await client.get("")
        assert (await client.get("")).status == 200
    finally:
        child.send_signal(signal.SIGTERM)
        await asyncio.wait_for(child.wait(), LIMIT_S)
    assert child.returncode == 0

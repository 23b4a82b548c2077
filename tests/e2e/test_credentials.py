"""Long runs with short keys: the program in a process of its own, a local OSS, and those who issue keys on loopback."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tests.conftest import Figures
from tests.e2e.desk import KEYS, MANIFEST, SECRET, Desk, Ended
from tests.emulator.pictures import jpeg
from tests.issuers import Asked, Issuer, by_sts, issued, key, reply
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal
from worker.emulator.access.accounts import Account
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.oss.request import Request
from worker.oss.signing import Credentials

CONFIG = """\
endpoint: {endpoint}
credentials: {credentials}
limits: {{requests_per_second: {rate}, source_mb_per_second: 1000, concurrency: 4}}
retry: {{max_attempts: 10, base_delay_s: 0.05, max_delay_s: 1, task_deadline_s: {deadline_s}}}
timeout: {{connect_s: 10, total_s: 60}}
log: {{level: debug}}
"""
OIDC_TOKEN = "made-up.oidc-token.4711"
ROLE = "acs:ram::1000000000000000:role/night"


class Served:
    """A local OSS with pictures, whose keys a test changes while it runs; counts requests by access key id."""

    def __init__(self, server: LocalOSS, seen: Counter[str]) -> None:
        self.url = server.url
        self.seen = seen
        self._accounts = server._accounts

    def admit(self, credentials: Credentials, valid_s: float | None = None) -> None:
        expires = None if valid_s is None else datetime.now(UTC) + timedelta(seconds=valid_s)
        self._accounts[credentials.access_key_id] = Account(credentials, expires=expires)

    def withdraw(self, credentials: Credentials) -> None:
        del self._accounts[credentials.access_key_id]


@asynccontextmanager
async def served(pictures: int) -> AsyncIterator[Served]:
    store, seen = MemoryStore(), Counter[str]()
    for bucket in ("photos", "renditions"):
        store.make_bucket(bucket)
    picture = jpeg(8, 8)
    for number in range(pictures):
        put(store, "photos", f"in/{number:04}.jpg", picture)

    def observe(operation: str, request: Request) -> None:
        authorization = dict(request.headers).get("authorization", "")
        if operation == "ProcessObject":
            seen[authorization.partition("Credential=")[2].partition("/")[0]] += 1

    async with LocalOSS(store, on_request=observe) as server:
        yield Served(server, seen)


def set_up(desk: Desk, endpoint: str, credentials: str, rate: float = 1000, deadline_s: float = 300) -> None:
    config = CONFIG.format(endpoint=endpoint, credentials=credentials, rate=rate, deadline_s=deadline_s)
    desk.write("config.yaml", config)
    desk.write("job.yaml", MANIFEST)


def pod(desk: Desk, sts: str) -> dict[str, str]:
    desk.write("token", f"{OIDC_TOKEN}\n")
    return {
        "ALIBABA_CLOUD_ROLE_ARN": ROLE,
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1000000000000000:oidc-provider/cluster",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(desk.path / "token"),
        "ALIBABA_CLOUD_STS_ENDPOINT": sts,
    }


def assert_no_secret(desk: Desk, *ended: Ended, left_out: tuple[str, ...] = ()) -> None:
    """Of all that a run wrote, only the files that a test itself filled with secrets may hold one."""
    made = [key(number) for number in range(1, 100)]
    secrets = [OIDC_TOKEN, SECRET, *(one.access_key_secret for one in made), *(one.security_token for one in made)]
    own = {desk.path / name for name in ("token", ".aliyun/config.json", *left_out)}
    texts = [path.read_text(errors="replace") for path in desk.path.rglob("*") if path.is_file() and path not in own]
    for text in [*texts, *(said for end in ended for said in (end.out, end.err))]:
        assert not [secret for secret in secrets if secret in text]


def first_line(ended: Ended) -> dict[str, str]:
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    return next(line for line in lines if line["message"] == "started")


@pytest.mark.parametrize("pictures", [100, pytest.param(1500, marks=pytest.mark.chaos)])
async def test_a_token_that_expires_every_two_seconds_is_renewed_and_everything_saved(
    desk: Desk, figures: Figures, pictures: int
) -> None:
    async with served(pictures) as oss:

        def assume(asked: Asked) -> web.Response:
            assert asked.form["OIDCToken"] == OIDC_TOKEN
            number = len(sts.asked)
            oss.admit(key(number), valid_s=2)
            now = datetime.now(UTC)
            return reply(by_sts(number, valid_s=2, at=now), date=now)

        async with Issuer(assume) as sts:
            set_up(desk, oss.url, "auto", rate=25)
            ended = await desk.run("run", "job.yaml", "--json", environ=pod(desk, sts.url), within_s=600)
            assert (ended.code, ended.json["saved"], ended.json["failed"]) == (0, pictures, 0), ended.err
            assert len(oss.seen) >= 3
            assert len(sts.asked) <= pictures // 5  # at 25 requests a second: no more than 5 a second
            figures({"pictures": pictures, "failed": 0, "keys used": len(oss.seen), "keys issued": len(sts.asked)})
    assert first_line(ended)["credentials"] == f"OIDC role {ROLE}"
    assert_no_secret(desk, ended)


@pytest.mark.parametrize("rotations", [2, pytest.param(20, marks=pytest.mark.chaos)])
@pytest.mark.parametrize("refused", ["withdrawn", "expired"])
async def test_keys_that_are_rotated_in_mid_run_are_found_and_everything_saved(
    desk: Desk, refused: str, rotations: int
) -> None:
    def write(number: int) -> None:
        made = key(number)
        names = {"access_key_id": made.access_key_id, "access_key_secret": made.access_key_secret}
        profile = {"name": "default", "mode": "StsToken", **names, "sts_token": made.security_token}
        desk.write(".aliyun/config.json", json.dumps({"current": "default", "profiles": [profile]}))

    pictures = 40 + 40 * rotations
    async with served(pictures) as oss:
        write(1)
        oss.admit(key(1))
        set_up(desk, oss.url, "auto", rate=60)
        process = await desk.start("run", "job.yaml", "--json", environ={})
        for number in range(1, rotations + 1):
            async with asyncio.timeout(60):
                while oss.seen[key(number).access_key_id] < 20:  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.01)
            # As one rotates keys: first the new one, then the old one goes.
            oss.admit(key(number + 1))
            write(number + 1)
            if refused == "withdrawn":
                oss.withdraw(key(number))
            else:
                oss.admit(key(number), valid_s=0)
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"], ended.json["failed"]) == (0, pictures, 0), ended.err
        assert oss.seen[key(rotations + 1).access_key_id] > 0
        code = "InvalidAccessKeyId" if refused == "withdrawn" else "SecurityTokenExpired"
        assert rotations <= ended.json["tries"][code] <= 10 * rotations
    assert first_line(ended)["credentials"].endswith(".aliyun/config.json (StsToken)")
    assert_no_secret(desk, ended)


async def test_an_sts_that_fails_for_a_while_costs_time_and_nothing_else(desk: Desk) -> None:
    async with served(pictures=30) as oss:

        def assume(_: Asked) -> web.Response:
            number = len(sts.asked)
            if number in (2, 3):
                return reply({"Code": "InternalError", "Message": OIDC_TOKEN}, 500)
            oss.admit(key(number), valid_s=1)
            now = datetime.now(UTC)
            return reply(by_sts(number, valid_s=1 if number == 1 else 3600, at=now), date=now)

        async with Issuer(assume) as sts:
            set_up(desk, oss.url, "rrsa", rate=15)
            environ = pod(desk, sts.url)
            process = await desk.start("run", "job.yaml", "--json", environ=environ)
            async with asyncio.timeout(60):
                while len(sts.asked) < 4:  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.01)
            ended = await desk.end(process)
            assert (ended.code, ended.json["saved"], ended.json["failed"]) == (0, 30, 0), ended.err
            assert "STS answers 500" in ended.err
    assert_no_secret(desk, ended)


async def test_an_sts_that_does_not_come_back_is_4_and_the_next_run_goes_on(desk: Desk) -> None:
    async with served(pictures=30) as oss:

        def assume(_: Asked) -> web.Response:
            number = len(sts.asked)
            if number in range(2, 100) and not back:
                return reply({"Code": "InternalError"}, 500)
            oss.admit(key(number))
            now = datetime.now(UTC)
            return reply(by_sts(number, valid_s=1 if number == 1 else 3600, at=now), date=now)

        back: list[bool] = []
        async with Issuer(assume) as sts:
            set_up(desk, oss.url, "rrsa", rate=15, deadline_s=1)
            environ = pod(desk, sts.url)
            first = await desk.run("run", "job.yaml", "--json", environ=environ)
            assert (first.code, first.json["outcome"]) == (4, "stopped"), first.err
            # Either the pause of the run or a task's own deadline was over first.
            assert any("STS answers 500" in note for note in first.json["notes"])
            lost = {line["error"]["code"] for line in desk.lines() if line["status"] == "failed"}
            assert lost <= {"CredentialsUnavailable"}
            back.append(True)
            second = await desk.run("run", "job.yaml", "--json", environ=environ)
            assert (second.code, first.json["saved"] + second.json["saved"]) == (0, 30)
    assert sum(oss.seen.values()) == 30
    assert_no_secret(desk, first, second)


async def test_an_sts_that_refuses_is_77_at_once_and_nothing_is_sent(desk: Desk) -> None:
    refusing = {"Code": "AuthenticationFail.NoPermission", "Message": f"not with {OIDC_TOKEN}", "RequestId": "R-7"}
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        async with Issuer(lambda _: reply(refusing, 401)) as sts:
            set_up(desk, server.url, "rrsa")
            ended = await desk.run("run", "job.yaml", environ=pod(desk, sts.url))
            assert len(sts.asked) == 1
        assert (ended.code, server.seen) == (77, [])
    assert "STS refuses: 401 AuthenticationFail.NoPermission: not with *** (request R-7)" in ended.err
    assert_no_secret(desk, ended)


async def test_an_sts_that_is_not_there_until_the_deadline_is_4(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        set_up(desk, server.url, "rrsa", deadline_s=1)
        ended = await desk.run("run", "job.yaml", environ=pod(desk, "http://127.0.0.1:9"))
        assert (ended.code, server.seen) == (4, [])
    assert "there are no credentials: no answer from STS" in ended.err
    assert_no_secret(desk, ended)


async def test_a_token_refused_after_one_refresh_is_77(desk: Desk) -> None:
    def refuse(_: Seen) -> Reply:
        return refusal(403, "InvalidSecurityToken")

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}, refuse) as server:
        async with Issuer(lambda _: reply({"Code": "Success", **issued(len(issuer.asked))})) as issuer:
            set_up(desk, server.url, "uri")
            environ = {"ALIBABA_CLOUD_CREDENTIALS_URI": f"{issuer.url}/made-up-path?secret={SECRET}"}
            ended = await desk.run("run", "job.yaml", environ=environ)
        assert ended.code == 77
        assert len(server.seen) == 2
    assert "InvalidSecurityToken" in ended.err
    assert_no_secret(desk, ended)


async def test_keys_of_the_environment_that_are_wrong_are_asked_with_once(desk: Desk) -> None:
    async with StandIn({"photos": {}}, lambda _: refusal(403, "InvalidAccessKeyId")) as server:
        set_up(desk, server.url, "env")
        ended = await desk.run("run", "job.yaml", environ=KEYS)
        assert (ended.code, len(server.seen)) == (77, 1)
    assert_no_secret(desk, ended)

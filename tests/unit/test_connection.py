"""The connection: settings become one sender, limits are shared, and nothing of it is left behind."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Reply, Seen, StandIn, refusal
from worker.connection import connect
from worker.dispatch.first_contact import judge_bucket_info
from worker.dispatch.stopping import Stop
from worker.errors import UsageError
from worker.oss.endpoint import Site
from worker.oss.request import bucket_info
from worker.oss.verdict import Failure
from worker.settings import Limits, Local, Retry, Settings

KEYS = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "hush", "OSS_SESSION_TOKEN": "passing"}

# No profile file of this machine, and no RAM role of it, may decide.
NOWHERE = {"HOME": "/nonexistent", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}


@dataclass
class Heard:
    lines: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, message: str, level: int = logging.INFO, **fields: object) -> None:
        self.lines.append((level, message, fields))


async def ask(
    server: StandIn, settings: Settings, environ: Mapping[str, str] = KEYS, parallelism: int = 1, times: int = 1
) -> Heard:
    heard = Heard()
    async with connect(settings, environ, Stop(), parallelism, heard) as connection:
        for _ in range(times):
            outcome = await connection.sender.call(bucket_info("photos"), judge_bucket_info)
            assert not isinstance(outcome.verdict, Failure), outcome
        assert connection.requests["GET"] == len(server.seen)
        assert (connection.endpoint, connection.is_local) == (server.url, False)
    return heard


@pytest.mark.parametrize(("signature", "begins"), [("v4", "OSS4-HMAC-SHA256 Credential=id/"), ("v1", "OSS id:")])
async def test_requests_are_signed_as_the_settings_say_with_the_token(signature: str, begins: str) -> None:
    async with StandIn({"photos": {}}) as server:
        settings = Settings(endpoint=server.url, signature="v4" if signature == "v4" else "v1", region="cn-beijing")
        await ask(server, settings)
        (seen,) = server.seen
    assert seen.headers["authorization"].startswith(begins)
    assert seen.headers["x-oss-security-token"] == "passing"
    assert signature == "v1" or "/cn-beijing/oss/" in seen.headers["authorization"]


@pytest.mark.parametrize(("addressing", "path"), [("path", "/photos/"), ("cname", "/"), ("auto", "/photos/")])
async def test_requests_are_addressed_as_the_settings_say(addressing: str, path: str) -> None:
    def any_bucket(_: Seen) -> Reply:
        return Reply(body=b"<BucketInfo><Bucket><Name>photos</Name></Bucket></BucketInfo>")

    async with StandIn({}, any_bucket) as server:
        await ask(server, Settings(endpoint=server.url, addressing=addressing))  # type: ignore[arg-type]  # a parameter
        assert server.seen[0].target == f"{path}?bucketInfo"


@pytest.mark.parametrize("signature", ["v4", "v1"])
async def test_a_bucket_with_a_site_of_its_own_is_asked_there_and_signed_for_it(signature: str) -> None:
    def any_bucket(_: Seen) -> Reply:
        return Reply(body=b"<BucketInfo><Bucket><Name>any</Name></Bucket></BucketInfo>")

    async with StandIn({}, any_bucket) as home, StandIn({}, any_bucket) as far:
        settings = Settings(endpoint=home.url, addressing="cname", signature="v1" if signature == "v1" else "v4")
        sites = {"far": Site(far.url, "eu-central-1")}
        async with connect(settings, KEYS, Stop(), 1, Heard(), sites) as connection:
            for bucket in ("photos", "far"):
                await connection.sender.call(bucket_info(bucket), judge_bucket_info)
    # A custom domain stands for its bucket; what is elsewhere is addressed as usual.
    assert [seen.target for seen in home.seen] == ["/?bucketInfo"]
    assert [seen.target for seen in far.seen] == ["/far/?bucketInfo"]
    if signature == "v4":
        assert "/cn-hangzhou/oss/" in home.seen[0].headers["authorization"]
        assert "/eu-central-1/oss/" in far.seen[0].headers["authorization"]


async def test_the_local_oss_stands_for_every_endpoint(tmp_path: Path) -> None:
    settings = Settings(endpoint="local", local=Local(root=str(tmp_path / "root"), samples=False))
    sites = {"far": Site("https://oss-eu-central-1.aliyuncs.com", "eu-central-1")}
    async with connect(settings, NOWHERE, Stop(), 1, Heard(), sites) as connection:
        assert not connection.sites
        outcome = await connection.sender.call(bucket_info("far"), judge_bucket_info)
    assert isinstance(outcome.verdict, Failure)
    assert outcome.verdict.code == "NoSuchBucket"


async def test_processes_share_the_limits() -> None:
    async with StandIn({"photos": {}}) as server:
        settings = Settings(endpoint=server.url, limits=Limits(40, 20, concurrency=10))
        heard = Heard()
        async with connect(settings, KEYS, Stop(), 4, heard) as connection:
            assert connection.concurrency == 2
        async with connect(settings, KEYS, Stop(), 100, heard) as connection:
            assert connection.concurrency == 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        await ask(server, settings, parallelism=4, times=6)
        assert loop.time() - began >= 0.5


async def test_attempts_that_fail_are_told_with_the_fields_of_the_results_log() -> None:
    declined, broken = refusal(503, "ServiceUnavailable"), refusal(500, "InternalError", x_oss_request_id="R3")
    answers = [declined, declined, broken]
    async with StandIn({"photos": {}}, lambda _: answers.pop(0) if answers else None) as server:
        heard = await ask(server, Settings(endpoint=server.url, retry=Retry(5, 0.001, 0.01)))
    told = [(level, fields) for level, _, fields in heard.lines if "attempts" in fields]
    assert [(level, fields["attempts"], fields["error"]["code"]) for level, fields in told] == [
        (logging.DEBUG, 1, "ServiceUnavailable"),
        (logging.DEBUG, 2, "ServiceUnavailable"),
        (logging.WARNING, 3, "InternalError"),  # everything waits for what it asks of the bucket
    ]
    _, last = told[-1]
    assert (last["method"], last["bucket"], last["request_id"]) == ("GET", "photos", "R3")
    assert last["error"] == {"code": "InternalError", "http": 500, "ec": "0000-00000000", "message": "made up"}
    assert "hush" not in str(heard.lines)


async def test_without_credentials_there_is_no_connection() -> None:
    with pytest.raises(UsageError, match="no credentials"):
        async with connect(Settings(endpoint="http://127.0.0.1:9"), NOWHERE, Stop(), 1, Heard()):
            pytest.fail("connected")

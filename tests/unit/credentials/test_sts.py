"""Roles assumed at STS: what is asked, what is understood of the answers, and what is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.issuers import NOW, Asked, Issuer, around, by_sts, key, reply
from worker.credentials.source import Fixed, Lease
from worker.credentials.sts import AssumedRole, PodRole, Role, from_pod, signature, sts_url
from worker.credentials.web import Web
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.signing import Credentials

ARN = "acs:ram::1000000000000000:role/renditions"
PROVIDER = "acs:ram::1000000000000000:oidc-provider/cluster"
TOKEN = "made-up.oidc.token"


def pod(url: str, web: Web, tmp_path: Path, **environ: str) -> PodRole:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="ascii")
    variables = {
        "ALIBABA_CLOUD_ROLE_ARN": ARN,
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(tmp_path / "token"),
        "ALIBABA_CLOUD_STS_ENDPOINT": url,
        **environ,
    }
    found = from_pod(around(web, variables))
    assert isinstance(found, PodRole)
    return found


async def test_a_pod_exchanges_its_token_for_a_key(web: Web, tmp_path: Path) -> None:
    async with Issuer(lambda _: reply(by_sts(valid_s=900))) as sts:
        source = pod(sts.url, web, tmp_path, ALIBABA_CLOUD_ROLE_SESSION_NAME="night")
        # A second may be gone: the clock of the answer is one of whole seconds.
        assert await source.fetch() == Lease(key(1), 899)
        (asked,) = sts.asked
    assert (asked.method, asked.path) == ("POST", "/")
    assert {name: value for name, value in asked.form.items() if name != "SignatureNonce"} == {
        "Action": "AssumeRoleWithOIDC",
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": "2026-11-23T08:00:00Z",
        "RoleArn": ARN,
        "RoleSessionName": "night",
        "DurationSeconds": "3600",
        "OIDCProviderArn": PROVIDER,
        "OIDCToken": TOKEN,
    }
    assert source.name == f"OIDC role {ARN}"
    assert TOKEN not in repr(source)


async def test_the_token_file_is_read_anew_each_time(web: Web, tmp_path: Path) -> None:
    async with Issuer(lambda _: reply(by_sts())) as sts:
        source = pod(sts.url, web, tmp_path)
        await source.fetch()
        (tmp_path / "token").write_text("another.made-up.token", encoding="ascii")
        await source.fetch()
        assert [asked.form["OIDCToken"] for asked in sts.asked] == [TOKEN, "another.made-up.token"]


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff", "no text")])
async def test_a_token_file_that_is_none_is_told(web: Web, tmp_path: Path, content: bytes | None, words: str) -> None:
    source = pod("http://127.0.0.1:9", web, tmp_path)
    (tmp_path / "token").unlink()
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        await source.fetch()


def test_a_pod_without_all_three_variables_has_no_role(web: Web) -> None:
    environ = {"ALIBABA_CLOUD_ROLE_ARN": ARN, "ALIBABA_CLOUD_OIDC_TOKEN_FILE": " "}
    assert from_pod(around(web, environ)) == ["ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"]


REFUSED = {"RequestId": "R-9", "Code": "AuthenticationFail.OIDCToken.Expired", "Message": f"Expired: {TOKEN}."}


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, REFUSED, AccessError, r"AuthenticationFail\.OIDCToken\.Expired: Expired: \*\*\*.*R-9.*\n.*mend: "),
        (404, {"Code": "EntityNotExist.Role"}, AccessError, r"EntityNotExist\.Role"),
        (400, {"Code": "Throttling.User", "Message": "slow down"}, StoppedError, "Throttling"),
        (429, {"Code": "X"}, StoppedError, "429"),
        (500, b"<html>", StoppedError, "STS answers 500"),
        (503, {"Code": "ServiceUnavailable"}, StoppedError, "503"),
        (403, b"<html>a proxy's page</html>", StoppedError, "no JSON object"),
        (302, b"", StoppedError, "no JSON object"),
        (200, b"", StoppedError, "no JSON object"),
        (200, b"[1]", StoppedError, "no JSON object"),
        (200, b'{"Credentials"', StoppedError, "no JSON object"),
        (200, {}, StoppedError, "no usable AccessKeyId"),
        (200, {"Credentials": ["x"]}, StoppedError, "no usable AccessKeyId"),
        (200, by_sts(AccessKeySecret=None), StoppedError, "no usable AccessKeySecret"),
        (200, by_sts(SecurityToken=""), StoppedError, "no usable SecurityToken"),
        (200, by_sts(SecurityToken="line\nbreak"), StoppedError, "no usable SecurityToken"),
        (200, by_sts(AccessKeyId=7), StoppedError, "no usable AccessKeyId"),
        (200, by_sts(Expiration="soon"), StoppedError, "no time"),
        (200, by_sts(valid_s=0), StoppedError, "expired already"),
        (200, b"x" * 70_000, StoppedError, "no answer from STS: it is larger than 64 KiB"),
    ],
)
async def test_answers_that_bring_no_key_are_told_apart_and_show_no_secret(
    web: Web, tmp_path: Path, status: int, body: bytes | dict[str, object], error: type[WorkerError], words: str
) -> None:
    async with Issuer(lambda _: reply(body, status)) as sts:
        with pytest.raises(error, match=f"(?s){words}") as caught:
            await pod(sts.url, web, tmp_path).fetch()
    for secret in (TOKEN, key(1).access_key_secret, key(1).security_token):
        assert secret not in str(caught.value)


async def test_an_sts_where_nobody_answers_is_told_without_the_url(web: Web, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match=r"^no answer from STS: ") as caught:
        await pod("http://127.0.0.1:9/secret-path", web, tmp_path).fetch()
    assert "secret-path" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_clock_that_is_off_is_put_right_by_that_of_sts(web: Web, tmp_path: Path) -> None:
    theirs = NOW + timedelta(hours=1)

    def strict(asked: Asked) -> object:
        if asked.form["Timestamp"] != "2026-11-23T09:00:00Z":
            return reply({"Code": "InvalidTimeStamp.Expired", "Message": "too old"}, 400, theirs)
        return reply(by_sts(at=theirs), date=theirs)

    async with Issuer(strict) as sts:  # type: ignore[arg-type]  # an answer
        assert await pod(sts.url, web, tmp_path).fetch() == Lease(key(1), 3599)
        assert len(sts.asked) == 2


async def test_without_a_date_this_machines_clock_has_to_do(web: Web, tmp_path: Path) -> None:
    async with Issuer(lambda _: reply(by_sts(valid_s=600), date=None)) as sts:
        assert await pod(sts.url, web, tmp_path).fetch() == Lease(key(1), 599)
    # And where it alone says that the key is over, the service will tell.
    async with Issuer(lambda _: reply(by_sts(valid_s=-600), date=None)) as sts:
        assert await pod(sts.url, web, tmp_path).fetch() == Lease(key(1), None)


@pytest.mark.parametrize("token", ["", "made-up-token"])
async def test_a_role_is_assumed_with_another_key_and_a_signature(web: Web, token: str) -> None:
    base = Credentials("base-id", "base-secret", token)
    async with Issuer(lambda _: reply(by_sts())) as sts:
        role = Role(ARN, "night", 900, '{"Version":"1"}', "outside")
        source = AssumedRole(role, Fixed("base", base), sts.url, around(web))
        assert await source.fetch() == Lease(key(1), 3599)
        (asked,) = sts.asked
    form = dict(asked.form)
    provided = form.pop("Signature")
    assert provided == signature("POST", form, "base-secret")
    assert (form["Action"], form["AccessKeyId"], form.get("SecurityToken", "")) == ("AssumeRole", "base-id", token)
    assert (form["DurationSeconds"], form["Policy"], form["ExternalId"]) == ("900", '{"Version":"1"}', "outside")
    assert "base-secret" not in repr(source) + str(form)


@pytest.mark.parametrize(
    ("environ", "region", "vpc", "url"),
    [
        ({}, "", False, "https://sts.aliyuncs.com"),
        ({"ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"}, "", False, "https://sts.aliyuncs.com"),
        ({"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}, "", False, "https://sts.cn-beijing.aliyuncs.com"),
        (
            {"ALIBABA_CLOUD_STS_REGION": "cn-beijing", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "True"},
            "",
            False,
            "https://sts-vpc.cn-beijing.aliyuncs.com",
        ),
        ({"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}, "cn-hangzhou", True, "https://sts-vpc.cn-hangzhou.aliyuncs.com"),
        (
            {"ALIBABA_CLOUD_STS_ENDPOINT": "sts.example.com", "ALIBABA_CLOUD_STS_REGION": "cn-beijing"},
            "",
            False,
            "https://sts.example.com",
        ),
    ],
)
def test_where_sts_is(web: Web, environ: dict[str, str], region: str, vpc: bool, url: str) -> None:
    assert sts_url(around(web, environ), region, vpc=vpc) == url


def test_a_region_of_sts_that_is_none_is_refused(web: Web) -> None:
    with pytest.raises(UsageError, match="no region"):
        sts_url(around(web, {"ALIBABA_CLOUD_STS_REGION": "evil.example.com/x"}))


@pytest.mark.parametrize(("session", "duration_s"), [("a", 3600), ("night shift", 3600), ("night", 899), ("n1", 43201)])
def test_a_role_that_sts_would_refuse_is_refused_at_once(session: str, duration_s: int) -> None:
    with pytest.raises(UsageError, match="mend: use"):
        Role(ARN, session, duration_s)


def test_the_signature_is_that_of_the_documentation() -> None:
    # Alibaba Cloud, "RPC style signature": its example of DescribeRegions.
    parameters = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
    }
    assert signature("GET", parameters, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="

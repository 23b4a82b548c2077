"""Profile files: which one, which profile, what each mode means, and what is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.issuers import Issuer, around, by_sts, issued, key, reply
from worker.credentials.external import External
from worker.credentials.metadata import EcsRole
from worker.credentials.profile import Profile, from_profiles
from worker.credentials.source import Fixed, Lease, Source
from worker.credentials.sts import AssumedRole, PodRole, Role
from worker.credentials.uri import CredentialsUri
from worker.credentials.web import Web
from worker.errors import UsageError
from worker.oss.signing import Credentials

SECRET = "made-up-secret-4711"
ARN = "acs:ram::1000000000000000:role/night"
AK = {"name": "default", "mode": "AK", "access_key_id": "id", "access_key_secret": SECRET}


def write(home: Path, name: str, content: str | dict[str, Any]) -> Path:
    path = home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def cli(home: Path, *profiles: dict[str, Any], current: str = "default") -> Path:
    return write(home, ".aliyun/config.json", {"current": current, "profiles": profiles, "meta_path": ""})


def find(home: Path, web: Web, **environ: str) -> Profile:
    found = from_profiles(around(web, {"HOME": str(home), **environ}))
    assert isinstance(found, Profile), found
    return found


async def fetched(home: Path, web: Web, **environ: str) -> Credentials:
    return (await find(home, web, **environ).fetch()).credentials


async def test_the_current_profile_of_the_cli(tmp_path: Path, web: Web) -> None:
    other = {**AK, "name": "other", "access_key_id": "other-id"}
    cli(tmp_path, AK, other, current="other")
    assert await fetched(tmp_path, web) == Credentials("other-id", SECRET)
    assert await fetched(tmp_path, web, ALIBABA_CLOUD_PROFILE="default") == Credentials("id", SECRET)
    source = find(tmp_path, web)
    assert source.name == f"profile other of {tmp_path}/.aliyun/config.json (AK)"
    assert SECRET not in repr(source)


INI = f"""
[default]                          # default
enable = true
type = access_key
access_key_id = ini-id             # Key
access_key_secret = {SECRET}
[off]
enable = false
type = access_key
access_key_id = off
access_key_secret = off
[percent]
type = access_key
access_key_id = %(x)s
access_key_secret = 50%
"""


@pytest.mark.parametrize("name", ["credentials.ini", "credentials"])
async def test_the_ini_file_of_the_libraries_is_next(tmp_path: Path, web: Web, name: str) -> None:
    write(tmp_path, f".alibabacloud/{name}", INI)
    assert await fetched(tmp_path, web) == Credentials("ini-id", SECRET)
    assert await fetched(tmp_path, web, ALIBABA_CLOUD_PROFILE="percent") == Credentials("%(x)s", "50%")
    found = from_profiles(around(web, {"HOME": str(tmp_path), "ALIBABA_CLOUD_PROFILE": "off"}))
    assert found == [
        f"{tmp_path}/.aliyun/config.json (no profile off)",
        f"{tmp_path}/.alibabacloud/credentials.ini (no profile off)",
        f"{tmp_path}/.alibabacloud/credentials (no profile off)",
    ]
    cli(tmp_path, AK)
    assert await fetched(tmp_path, web) == Credentials("id", SECRET)
    assert await fetched(tmp_path, web, ALIBABA_CLOUD_CLI_PROFILE_DISABLED="true") == Credentials("ini-id", SECRET)
    assert from_profiles(around(web, {"HOME": str(tmp_path), "ALIBABA_CLOUD_IGNORE_PROFILE": "TRUE"})) == [
        "profiles (disabled)"
    ]


async def test_the_environment_may_name_the_ini_file(tmp_path: Path, web: Web) -> None:
    path = write(tmp_path, "elsewhere", INI)
    assert await fetched(tmp_path, web, ALIBABA_CLOUD_CREDENTIALS_FILE=str(path)) == Credentials("ini-id", SECRET)


@pytest.mark.parametrize("blank", [{"name": "default", "mode": "AK"}, {"name": "default", "mode": "ak"}, {"mode": ""}])
def test_a_profile_that_nobody_has_filled_in_is_none(tmp_path: Path, web: Web, blank: dict[str, str]) -> None:
    cli(tmp_path, {"name": "default", **blank, "access_key_id": "", "region_id": "cn-hangzhou"})
    assert isinstance(from_profiles(around(web, {"HOME": str(tmp_path)})), list)


async def test_changed_keys_are_found_at_the_next_look(tmp_path: Path, web: Web) -> None:
    cli(tmp_path, AK)
    source = find(tmp_path, web)
    assert (await source.fetch()).credentials == Credentials("id", SECRET)
    cli(tmp_path, {**AK, "mode": "StsToken", "access_key_id": "new-id", "sts_token": "new-token"})
    assert await source.fetch() == Lease(Credentials("new-id", SECRET, "new-token"), None)
    (tmp_path / ".aliyun/config.json").unlink()
    with pytest.raises(UsageError, match="no such profile any more"):
        await source.fetch()


def source_of(home: Path, web: Web, entry: dict[str, Any], *others: dict[str, Any], **environ: str) -> Source:
    from worker.credentials.profile import _Modes  # noqa: PLC0415 - what a profile means, without asking anybody

    cli(home, {"name": "default", **entry}, *others)
    profile = find(home, web, **environ)
    profiles = profile.file.profiles()
    assert profiles is not None
    return _Modes(profile.file, profiles, profile.surroundings).source(profiles.entries["default"])


ROLE = {"ram_role_arn": ARN, "ram_session_name": "night", "expired_seconds": 900}
BASE = {"access_key_id": "id", "access_key_secret": SECRET}


def test_the_mode_sts_token(tmp_path: Path, web: Web) -> None:
    found = source_of(tmp_path, web, {"mode": "ststoken", **BASE, "sts_token": "made-up-token"})
    assert isinstance(found, Fixed)
    assert found.credentials == Credentials("id", SECRET, "made-up-token")


def test_the_mode_ram_role_arn(tmp_path: Path, web: Web) -> None:
    entry = {"mode": "RamRoleArn", **BASE, **ROLE, "policy": "{}", "external_id": "x", "sts_region": "cn-beijing"}
    found = source_of(tmp_path, web, entry)
    assert isinstance(found, AssumedRole)
    assert (found.role, found.sts) == (Role(ARN, "night", 900, "{}", "x"), "https://sts.cn-beijing.aliyuncs.com")
    assert isinstance(found.previous, Fixed)
    assert found.previous.credentials == Credentials("id", SECRET)
    vpc = source_of(tmp_path, web, {**entry, "enable_vpc": True})
    assert isinstance(vpc, AssumedRole)
    assert vpc.sts == "https://sts-vpc.cn-beijing.aliyuncs.com"


def test_the_mode_chainable_ram_role_arn(tmp_path: Path, web: Web) -> None:
    entry = {"mode": "ChainableRamRoleArn", "source_profile": "base", "ram_role_arn": ARN}
    found = source_of(tmp_path, web, entry, {"name": "base", "mode": "EcsRamRole", "ram_role_name": "machine"})
    assert isinstance(found, AssumedRole)
    assert found.role == Role(ARN)
    assert isinstance(found.previous, EcsRole)
    assert found.previous.role == "machine"


@pytest.mark.parametrize("named", ["nobody", "default", "loop"])
def test_a_chain_that_leads_nowhere_is_refused(tmp_path: Path, web: Web, named: str) -> None:
    loop = {"name": "loop", "mode": "ChainableRamRoleArn", "source_profile": "default", "ram_role_arn": ARN}
    with pytest.raises(UsageError, match="source_profile that is not there, or itself"):
        source_of(tmp_path, web, {**loop, "source_profile": named, "name": "default"}, loop)


def test_the_mode_oidc(tmp_path: Path, web: Web) -> None:
    entry = {"mode": "OIDC", "ram_role_arn": ARN, "oidc_provider_arn": "acs:p", "oidc_token_file": "/x"}
    found = source_of(tmp_path, web, {**entry, "role_session_name": "by-library"})
    assert isinstance(found, PodRole)
    assert (found.role, found.provider_arn, found.token_file) == (Role(ARN, "by-library"), "acs:p", "/x")


def test_the_modes_of_uri_and_command(tmp_path: Path, web: Web) -> None:
    uri = {"mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:1/secret"}
    external = {"mode": "External", "process_command": "print-key --now"}
    found, command = source_of(tmp_path, web, uri), source_of(tmp_path, web, external)
    assert isinstance(found, CredentialsUri)
    assert isinstance(command, External)
    assert (found.uri, command.command) == ("http://127.0.0.1:1/secret", "print-key --now")
    for entry in (uri, external):
        with pytest.raises(UsageError, match="ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS forbids"):
            source_of(tmp_path, web, entry, ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS="true")


@pytest.mark.parametrize("mode", ["CloudSSO", "OAuth", "BearerToken", "RsaKeyPair", "RamRoleArnWithRoleName", "New"])
def test_other_modes_are_refused_by_name(tmp_path: Path, web: Web, mode: str) -> None:
    cli(tmp_path, {"name": "default", "mode": mode, **BASE})
    with pytest.raises(UsageError, match=f"mode '{mode}', which is not supported(?s:.*)use AK, StsToken"):
        find(tmp_path, web)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"mode": "AK", "access_key_id": "id"}, "lacks access_key_secret"),
        ({"mode": "StsToken", **BASE}, "lacks sts_token"),
        ({"mode": "RamRoleArn", **BASE}, "lacks ram_role_arn"),
        ({"mode": "RamRoleArn", "ram_role_arn": ARN}, "lacks access_key_id and access_key_secret"),
        ({"mode": "ChainableRamRoleArn", "ram_role_arn": ARN}, "lacks source_profile"),
        ({"mode": "OIDC", "ram_role_arn": ARN}, "lacks oidc_provider_arn and oidc_token_file"),
        ({"mode": "CredentialsURI"}, "lacks credentials_uri"),
        ({"mode": "External"}, "lacks process_command"),
        ({"mode": "AK", **BASE, "access_key_id": "with\nbreak"}, "no access key has"),
        ({"mode": "RamRoleArn", **BASE, **ROLE, "expired_seconds": "1h"}, "no number"),
        ({"mode": "RamRoleArn", **BASE, **ROLE, "expired_seconds": 60}, "a session of 60 s"),
    ],
)
def test_a_profile_that_lacks_something_is_told_without_its_secret(
    tmp_path: Path, web: Web, entry: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        source_of(tmp_path, web, entry)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".aliyun/config.json", f'{{"profiles": [{{"access_key_secret": "{SECRET}"'),
        (".aliyun/config.json", "[]"),
        (".aliyun/config.json", '{"profiles": ["x"]}'),
        (".aliyun/config.json", "[" * 60_000),
        (".alibabacloud/credentials", f"access_key_secret = {SECRET}"),
        (".alibabacloud/credentials", f"[default]\n{SECRET}\n"),
        (".alibabacloud/credentials", f"[default]\n[default]\nx = {SECRET}\n"),
    ],
)
def test_a_file_that_is_none_is_told_without_its_content(tmp_path: Path, web: Web, name: str, content: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(UsageError, match="cannot be read as such") as caught:
        find(tmp_path, web)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("directory", [True, False])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, web: Web, directory: bool) -> None:
    path = tmp_path / ".aliyun/config.json"
    path.parent.mkdir()
    path.mkdir() if directory else path.write_bytes(b"\xff\xff")
    with pytest.raises(UsageError, match="cannot be read: "):
        find(tmp_path, web)


async def test_a_profile_asks_whom_it_names(tmp_path: Path, web: Web) -> None:
    async with Issuer(lambda asked: reply(by_sts() if asked.form else {"Code": "Success", **issued(2)})) as issuer:
        sts = {"ALIBABA_CLOUD_STS_ENDPOINT": issuer.url}
        cli(tmp_path, {"name": "default", "mode": "RamRoleArn", **BASE, **ROLE})
        assert await fetched(tmp_path, web, **sts) == key(1)
        cli(tmp_path, {"name": "default", "mode": "CredentialsURI", "credentials_uri": issuer.url})
        assert await fetched(tmp_path, web) == key(2)
        # The key of the server assumes the role.
        chain = {"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "default", **ROLE}
        uri = {"name": "default", "mode": "CredentialsURI", "credentials_uri": issuer.url}
        cli(tmp_path, uri, chain, current="chain")
        assert await fetched(tmp_path, web, **sts) == key(1)
        assert issuer.asked[-1].form["SecurityToken"] == key(2).security_token

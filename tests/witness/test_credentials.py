"""The official credentials library reads the same files, asks the same servers and signs the same as we do."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_credentials.provider import (
    CLIProfileCredentialsProvider,
    OIDCRoleArnCredentialsProvider,
    ProfileCredentialsProvider,
    RamRoleArnCredentialsProvider,
    URLCredentialsProvider,
)
from alibabacloud_credentials.utils import parameter_helper

from tests.issuers import Issuer, around, issued, key, reply, way
from worker.credentials.profile import Profile, from_profiles
from worker.credentials.profile_file import ProfileFile
from worker.credentials.source import Surroundings
from worker.credentials.sts import AssumedRole, PodRole, signature
from worker.credentials.uri import CredentialsUri
from worker.oss.signing import Credentials

ARN = "acs:ram::1000000000000000:role/night"


def theirs(provider: Any) -> Credentials:
    found = provider.get_credentials()
    return Credentials(found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token() or "")


async def ours(environ: dict[str, str]) -> Credentials:
    async with way() as web:
        found = from_profiles(around(web, environ))
        assert isinstance(found, Profile)
        return (await found.fetch()).credentials


AK = {"name": "plain", "mode": "AK", "access_key_id": "id-1", "access_key_secret": "made-up-secret"}
STS = {"name": "temporary", "mode": "StsToken", "access_key_id": "id-2", "access_key_secret": "x", "sts_token": "t/+="}
PRINTED = {"mode": "StsToken", "access_key_id": "id-3", "access_key_secret": "y", "sts_token": "z"}
COMMAND = f"printf '%s' '{json.dumps(PRINTED)}'"
EXTERNAL = {"name": "printed", "mode": "External", "process_command": COMMAND}


@pytest.mark.parametrize("current", ["plain", "temporary", "printed"])
@pytest.mark.parametrize("named", ["", "plain", "temporary", "printed"])
async def test_profiles_of_the_cli_are_read_alike(tmp_path: Path, current: str, named: str) -> None:
    path = tmp_path / ".aliyun/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"current": current, "profiles": [AK, STS, EXTERNAL]}))
    provider = CLIProfileCredentialsProvider(profile_file=str(path), profile_name=named or None)
    mine = await ours({"HOME": str(tmp_path), "ALIBABA_CLOUD_PROFILE": named, "PATH": "/usr/bin:/bin"})
    assert mine == await asyncio.to_thread(theirs, provider)


@pytest.mark.parametrize("name", ["default", "night"])
async def test_ini_files_are_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / "credentials.ini"
    path.write_text(
        "[default]  # default setting\nenable = true\ntype = access_key # kind\n"
        "access_key_id = foo   # Key\naccess_key_secret=bar\n\n"
        "[night]\ntype: access_key\nACCESS_KEY_ID = upper\naccess_key_secret = made#up\n"
    )
    provider = ProfileCredentialsProvider(profile_file=str(path), profile_name=name)
    environ = {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(path), "ALIBABA_CLOUD_PROFILE": name}
    assert await ours(environ) == await asyncio.to_thread(theirs, provider)


async def test_a_credentials_uri_is_asked_and_understood_alike() -> None:
    now = datetime.now(UTC)
    answer = {"Code": "Success", **issued(at=now)}
    async with Issuer(lambda _: reply(answer, date=now)) as server, way() as web:
        uri = f"{server.url}/a/b?user=x"
        mine = (await CredentialsUri(uri, around(web)).fetch()).credentials
        assert mine == await asyncio.to_thread(theirs, URLCredentialsProvider(uri=uri)) == key(1)
        assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/a/b?user=x")] * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    token = tmp_path / "token"
    token.write_text("made-up.oidc.token")
    return tmp_path / ".aliyun/config.json"


def sources(file: Path, entry: dict[str, Any], surroundings: Surroundings) -> tuple[Any, Any]:
    """What a profile means to us and to them."""
    from worker.credentials.profile import _Modes  # noqa: PLC0415 - without asking anybody

    base = {"name": "base", "mode": "AK", "access_key_id": "id", "access_key_secret": "made-up-secret"}
    config = {"current": "it", "profiles": [{"name": "it", **entry}, base]}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config))
    found = from_profiles(surroundings)
    assert isinstance(found, Profile)
    assert isinstance(found.file, ProfileFile)
    profiles = found.file.profiles()
    assert profiles is not None
    provider = CLIProfileCredentialsProvider(profile_file=str(file))
    return (
        _Modes(found.file, profiles, surroundings).source(profiles.entries["it"]),
        provider._get_credentials_provider(config, "it"),
    )


ROLE = {"ram_role_arn": ARN, "expired_seconds": 1800, "policy": "{}", "sts_region": "cn-beijing", "enable_vpc": True}


@pytest.mark.parametrize(
    "entry",
    [
        {"mode": "RamRoleArn", "access_key_id": "id", "access_key_secret": "s", "ram_session_name": "night", **ROLE},
        {"mode": "ChainableRamRoleArn", "source_profile": "base", "ram_session_name": "night", **ROLE},
        {
            "mode": "RamRoleArn",
            "access_key_id": "i",
            "access_key_secret": "s",
            "ram_session_name": "n1",
            "ram_role_arn": ARN,
        },
    ],
)
def test_roles_by_another_key_mean_the_same(tmp_path: Path, file: Path, entry: dict[str, Any]) -> None:
    mine, other = sources(file, entry, around(way(), {"HOME": str(tmp_path)}))
    assert isinstance(mine, AssumedRole)
    assert isinstance(other, RamRoleArnCredentialsProvider)
    assert mine.sts == f"https://{other._sts_endpoint}"
    assert mine.role.form == {
        "RoleArn": other._role_arn,
        "RoleSessionName": other._role_session_name,
        "DurationSeconds": str(other._duration_seconds),
        **({"Policy": other._policy} if other._policy else {}),
    }


def test_roles_by_a_token_mean_the_same(tmp_path: Path, file: Path) -> None:
    surroundings = around(way(), {"HOME": str(tmp_path)})
    oidc = {"mode": "OIDC", "oidc_provider_arn": "acs:p", "oidc_token_file": "/t", "role_session_name": "night", **ROLE}
    mine, other = sources(file, oidc, surroundings)
    assert isinstance(mine, PodRole)
    assert isinstance(other, OIDCRoleArnCredentialsProvider)
    assert mine.sts == f"https://{other._sts_endpoint}"
    assert (mine.role.arn, mine.role.session, mine.role.duration_s) == (ARN, "night", other._duration_seconds)
    assert (mine.provider_arn, mine.token_file) == (other._oidc_provider_arn, other._oidc_token_file_path)


def test_requests_to_sts_are_signed_alike() -> None:
    # Without blanks: the library writes them as `+`, against its documentation and its sister in Go.
    parameters = {"Action": "AssumeRole", "RoleArn": "acs:ram::1:role/ab*~", "Policy": '{"x":"雪+&="}', "Format": "XML"}
    text = parameter_helper.compose_string_to_sign("POST", parameters)
    assert signature("POST", parameters, "secret") == parameter_helper.sign_string(text, "secret&")

"""Which source it is: by the setting, and for `auto` in the documented order."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.issuers import around, way
from worker.credentials.choosing import choose
from worker.credentials.source import Surroundings
from worker.credentials.web import Patience, Reply, Web
from worker.errors import StoppedError, UsageError

OSS = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "hush"}
CLOUD = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "hush"}
POD = {
    "ALIBABA_CLOUD_ROLE_ARN": "acs:role",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:provider",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/token",
}
URI = {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://localhost:1/x"}
ECS = {"ALIBABA_CLOUD_ECS_METADATA": "night"}
NO_ECS = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
ORDER = [
    (OSS, "OSS_ACCESS_KEY_*"),
    (CLOUD, "ALIBABA_CLOUD_ACCESS_KEY_*"),
    (POD, "OIDC role acs:role"),
    (URI, "credentials URI at localhost"),
    ({}, "profile default of "),
    (ECS, "ECS RAM role night"),
]


def home(path: Path) -> dict[str, str]:
    profile = {"name": "default", "mode": "AK", "access_key_id": "id", "access_key_secret": "hush"}
    (path / ".aliyun").mkdir(exist_ok=True)
    (path / ".aliyun/config.json").write_text(json.dumps({"current": "default", "profiles": [profile]}))
    return {"HOME": str(path)}


@pytest.mark.parametrize("first", range(len(ORDER)))
async def test_auto_takes_the_first_that_is_set_up(web: Web, tmp_path: Path, first: int) -> None:
    environ = dict(NO_ECS) if first < 5 else {}
    for variables, _ in ORDER[first:]:
        environ |= variables or home(tmp_path)
    assert (await choose("auto", around(web, environ))).name.startswith(ORDER[first][1])


async def test_auto_without_anything_tells_what_was_tried_in_its_order(web: Web) -> None:
    with pytest.raises(UsageError, match="no credentials") as caught:
        await choose("auto", around(web, NO_ECS))
    told = str(caught.value)
    names = [
        "OSS_ACCESS_KEY_ID (not set)",
        "ALIBABA_CLOUD_ACCESS_KEY_ID (not set)",
        "RRSA (ALIBABA_CLOUD_ROLE_ARN",
        "ALIBABA_CLOUD_CREDENTIALS_URI (not set)",
        ".aliyun/config.json (no profile)",
        ".alibabacloud/credentials.ini (no profile)",
        "ECS RAM role (ALIBABA_CLOUD_ECS_METADATA_DISABLED is true)",
        "mend: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
    ]
    places = [told.index(name) for name in names]
    assert places == sorted(places)


@dataclass
class Metadata:
    """A way that leads to a metadata service only; no test may ask the real one."""

    reply: Reply | None
    urls: list[str] = field(default_factory=list)

    async def ask(self, issuer: str, method: str, url: str, patience: Patience, **_: object) -> Reply:  # noqa: ARG002 - the shape of the real one
        self.urls.append(url)
        if self.reply is None:
            message = f"no answer from {issuer}: no route"
            raise StoppedError(message)
        return self.reply


def at(metadata: Metadata, **environ: str) -> Surroundings:
    return around(metadata, environ)  # type: ignore[arg-type]  # a way by hand


async def test_auto_asks_the_machine_for_a_role_only_at_the_end() -> None:
    nobody = Metadata(None)
    with pytest.raises(UsageError, match=r"ECS RAM role \(no answer from the metadata of this machine: no route\)"):
        await choose("auto", at(nobody))
    assert nobody.urls[0] == "http://100.100.100.200/latest/api/token"
    without = Metadata(Reply(404, b"", None))
    with pytest.raises(UsageError, match=r"ECS RAM role \(no RAM role is attached to this machine\)"):
        await choose("auto", at(without))
    for environ in (OSS, ECS, POD):
        unasked = Metadata(None)
        await choose("auto", at(unasked, **environ))
        assert unasked.urls == []


async def test_auto_takes_the_role_of_the_machine_where_there_is_one() -> None:
    answer = b'{"Code": "Success", "AccessKeyId": "a", "AccessKeySecret": "b", "SecurityToken": "c", "Expiration": '
    found = Metadata(Reply(200, b"night", None))
    # One answer for all: it is a token and the name of a role, but no key.
    with pytest.raises(UsageError, match="no JSON object"):
        await choose("auto", at(found))

    class Whole(Metadata):
        async def ask(self, issuer: str, method: str, url: str, patience: Patience, **_: object) -> Reply:
            reply = await super().ask(issuer, method, url, patience)
            body = answer + b'"2026-11-23T09:00:00Z"}' if url.endswith("/night") else reply.body
            return Reply(200, body, None)

    assert (await choose("auto", at(Whole(Reply(200, b"night", None))))).name == "ECS RAM role"


@pytest.mark.parametrize(
    ("setting", "environ", "name"),
    [
        ("env", CLOUD, "ALIBABA_CLOUD_ACCESS_KEY_*"),
        ("rrsa", POD, "OIDC role acs:role"),
        ("uri", URI, "credentials URI at localhost"),
        ("ecs", ECS, "ECS RAM role night"),
        ("profile", None, "profile default of "),
    ],
)
async def test_a_setting_takes_its_own_whatever_else_is_set_up(
    web: Web, tmp_path: Path, setting: str, environ: dict[str, str] | None, name: str
) -> None:
    others = {**OSS, **POD, **URI} if setting != "env" else {**POD, **URI}
    source = await choose(setting, around(web, {**others, **(home(tmp_path) if environ is None else environ)}))
    assert source.name.startswith(name)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("env", "no credentials in the environment"),
        (
            "rrsa",
            "ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE not set",
        ),
        ("uri", "ALIBABA_CLOUD_CREDENTIALS_URI is not set"),
        ("profile", r"no profile; looked into /nonexistent/\.aliyun/config\.json"),
        ("ecs", "ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids"),
    ],
)
async def test_a_setting_without_its_own_tells_what_is_missing(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"{words}(?s:.*)mend: "):
        await choose(setting, around(way(), NO_ECS))

"""Keys from the environment: in a fixed order, complete or not at all, and never shown."""

import pytest

from tests.issuers import around, way
from worker.credentials.environment import from_environment
from worker.credentials.source import Fixed
from worker.errors import UsageError
from worker.oss.signing import Credentials

OSS = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "hush"}
CLOUD = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "cloud-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "cloud-hush",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "cloud-token",
}


def found(environ: dict[str, str]) -> Fixed | None:
    return from_environment(around(way(), environ))


def test_the_variables_of_the_oss_sdks_come_first() -> None:
    assert found({**OSS, **CLOUD}) == Fixed("OSS_ACCESS_KEY_*", Credentials("id", "hush"))
    assert found({**OSS, "OSS_SESSION_TOKEN": "t"}) == Fixed("OSS_ACCESS_KEY_*", Credentials("id", "hush", "t"))


def test_the_variables_of_the_cloud_are_next() -> None:
    key = Credentials("cloud-id", "cloud-hush", "cloud-token")
    assert found({**CLOUD, "OSS_ACCESS_KEY_ID": ""}) == Fixed("ALIBABA_CLOUD_ACCESS_KEY_*", key)


async def test_a_key_in_the_environment_is_valid_as_long_as_it_is_accepted() -> None:
    source = found(OSS)
    assert source is not None
    lease = await source.fetch()
    assert (lease.credentials, lease.lifetime_s) == (Credentials("id", "hush"), None)


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    source = found({name: f" {value}\n" for name, value in OSS.items()})
    assert source is not None
    assert source.credentials == Credentials("id", "hush")


def test_no_secret_is_in_the_repr_of_anything() -> None:
    assert "hush" not in repr(around(way(), OSS)) + repr(found(OSS))


def test_an_environment_without_keys_holds_none() -> None:
    assert found({}) is None
    assert found({"OSS_ACCESS_KEY_ID": " ", "OSS_SESSION_TOKEN": "t"}) is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OSS_ACCESS_KEY_ID": "id"}, "OSS_ACCESS_KEY_SECRET is not set"),
        ({"OSS_ACCESS_KEY_SECRET": "hush"}, "OSS_ACCESS_KEY_ID is not set"),
        ({**CLOUD, "OSS_ACCESS_KEY_ID": "id"}, "OSS_ACCESS_KEY_SECRET is not set"),
        ({**OSS, "OSS_ACCESS_KEY_SECRET": "hu\nsh"}, "no access key has"),
        ({**OSS, "OSS_ACCESS_KEY_SECRET": "hüsh"}, "no access key has"),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_showing_it(environ: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        found(environ)
    for value in environ.values():
        assert value == "id" or value not in str(caught.value)

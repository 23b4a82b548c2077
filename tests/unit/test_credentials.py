"""Credentials from the environment: in a fixed order, complete or not at all, and never shown."""

import pytest

from worker.credentials.environment import credentials_from
from worker.errors import UsageError
from worker.oss.signing import Credentials

OSS = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "hush"}
CLOUD = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "cloud-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "cloud-hush",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "cloud-token",
}


def test_the_variables_of_the_oss_sdks_come_first() -> None:
    assert credentials_from({**OSS, **CLOUD}, "auto") == (Credentials("id", "hush"), "OSS_ACCESS_KEY_*")
    with_token = credentials_from({**OSS, "OSS_SESSION_TOKEN": "token"}, "env")
    assert with_token[0] == Credentials("id", "hush", "token")


def test_the_variables_of_the_cloud_are_next() -> None:
    found, name = credentials_from({**CLOUD, "OSS_ACCESS_KEY_ID": ""}, "auto")
    assert found == Credentials("cloud-id", "cloud-hush", "cloud-token")
    assert name == "ALIBABA_CLOUD_ACCESS_KEY_*"


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    assert credentials_from({name: f" {value}\n" for name, value in OSS.items()}, "auto")[0] == Credentials(
        "id", "hush"
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"),
        ({"OSS_ACCESS_KEY_ID": "id"}, "OSS_ACCESS_KEY_SECRET is not set"),
        ({"OSS_ACCESS_KEY_SECRET": "hush"}, "OSS_ACCESS_KEY_ID is not set"),
        ({**CLOUD, "OSS_ACCESS_KEY_ID": "id"}, "OSS_ACCESS_KEY_SECRET is not set"),
        ({**OSS, "OSS_ACCESS_KEY_SECRET": "hu\nsh"}, "no access key has"),
        ({**OSS, "OSS_ACCESS_KEY_SECRET": "hüsh"}, "no access key has"),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_showing_it(environ: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        credentials_from(environ, "auto")
    for value in environ.values():
        assert value == "id" or value not in str(caught.value)


def test_providers_of_later_versions_are_told_as_such() -> None:
    with pytest.raises(UsageError, match="rrsa is not supported"):
        credentials_from(OSS, "rrsa")

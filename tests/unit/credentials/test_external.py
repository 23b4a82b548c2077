"""A program that prints a key: run without a shell, in bounded time, and never shown."""

import shlex
import sys

import pytest

from tests.issuers import around
from worker.credentials.external import External
from worker.credentials.source import Lease
from worker.credentials.web import Web
from worker.errors import StoppedError, UsageError, WorkerError
from worker.oss.signing import Credentials

SECRET = "made-up-secret-0815"


def printing(text: str, then: str = "") -> str:
    return shlex.join([sys.executable, "-c", f"import sys, time\nprint({text!r}, flush=True)\n{then}"])


async def fetch(command: str, web: Web, patience_s: float = 60) -> Lease:
    return await External(command, around(web), patience_s).fetch()


@pytest.mark.parametrize(
    ("fields", "lease"),
    [
        ('"mode": "AK"', Lease(Credentials("id", SECRET))),
        ('"mode": "StsToken", "sts_token": "t"', Lease(Credentials("id", SECRET, "t"))),
        ('"sts_token": "t", "expiration": "2026-11-23T09:00:00Z"', Lease(Credentials("id", SECRET, "t"), 3599)),
        ('"sts_token": "t", "expiration": "2026-11-23T07:00:00Z"', Lease(Credentials("id", SECRET, "t"))),
        ('"sts_token": "t", "expiration": "soon"', Lease(Credentials("id", SECRET, "t"))),
        ('"expiration": 5', Lease(Credentials("id", SECRET))),
    ],
)
async def test_a_command_prints_a_key(web: Web, fields: str, lease: Lease, capfd: pytest.CaptureFixture[str]) -> None:
    text = f'{{"access_key_id": "id", "access_key_secret": "{SECRET}", {fields}}}'
    assert await fetch(printing(text, "print('$HOME', file=sys.stderr)"), web) == lease
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("", UsageError, "no command"),
        ('"', UsageError, "no command"),
        ("/nonexistent/program", UsageError, "does not start: No such file"),
        (printing(SECRET), StoppedError, "no JSON object"),
        (printing("{}"), StoppedError, "prints no access_key_id"),
        (printing('{"mode": "StsToken", "access_key_id": "a", "access_key_secret": "b"}'), StoppedError, "sts_token"),
        (printing('{"mode": "OAuth"}'), StoppedError, "neither AK nor StsToken"),
        (printing('{"access_key_id": "a\\u00e9", "access_key_secret": "b"}'), UsageError, "no access key has"),
        (printing("{}", f"sys.exit('{SECRET}')"), StoppedError, "ends with 1"),
        (printing("x" * 70_000), StoppedError, "64 KiB"),
    ],
)
async def test_what_goes_wrong_is_told_without_what_was_printed(
    web: Web, command: str, error: type[WorkerError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        await fetch(command, web)
    assert SECRET not in str(caught.value)


async def test_a_command_that_does_not_end_is_ended(web: Web) -> None:
    with pytest.raises(StoppedError, match=r"does not end within 0\.5 s"):
        await fetch(printing("{}", "time.sleep(3600)"), web, patience_s=0.5)


def test_a_command_is_not_shown(web: Web) -> None:
    assert SECRET not in repr(External(f"print {SECRET}", around(web)))

"""A credentials URI: asked as it is, its answers understood, its path and query never shown."""

import pytest

from tests.issuers import Issuer, around, issued, key, reply
from worker.credentials.source import Lease
from worker.credentials.uri import CredentialsUri
from worker.credentials.web import Web
from worker.errors import AccessError, StoppedError, UsageError, WorkerError

SECRET = "made-up-path-secret"


async def test_the_uri_is_asked_with_its_path_and_query(web: Web) -> None:
    async with Issuer(lambda _: reply({"Code": "Success", **issued()})) as server:
        source = CredentialsUri(f"{server.url}/a/{SECRET}?user=b", around(web))
        assert await source.fetch() == Lease(key(1), 3599)
        (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", f"/a/{SECRET}?user=b")
    assert source.name == "credentials URI at 127.0.0.1"
    assert SECRET not in repr(source)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (404, b"", AccessError, "answers 404"),
        (301, b"", AccessError, "redirects are not followed"),
        (429, b"", StoppedError, "answers 429"),
        (502, b"", StoppedError, "answers 502"),
        (200, issued(), StoppedError, "without the Code Success"),
        (200, {"Code": "Failed"}, StoppedError, "without the Code Success"),
        (200, {"Code": "Success", **issued(Expiration=None)}, StoppedError, "no usable Expiration"),
        (200, b"AccessKeySecret=made-up-secret-1", StoppedError, "no JSON object"),
        (200, b"[" * 60_000, StoppedError, "no JSON object"),
    ],
)
async def test_answers_that_bring_no_key_are_told_apart_and_show_no_secret(
    web: Web, status: int, body: bytes | dict[str, object], error: type[WorkerError], words: str
) -> None:
    async with Issuer(lambda _: reply(body, status)) as server:
        with pytest.raises(error, match=f"(?s){words}") as caught:
            await CredentialsUri(f"{server.url}/{SECRET}", around(web)).fetch()
    assert SECRET not in str(caught.value)
    assert key(1).access_key_secret not in str(caught.value)


@pytest.mark.parametrize("uri", ["", "ftp://x/", "http://", "http://[", "no-url", "http://h:0/", "http://h:x/"])
async def test_a_uri_that_is_none_is_told(web: Web, uri: str) -> None:
    with pytest.raises(UsageError, match="is no URL"):
        await CredentialsUri(uri, around(web)).fetch()

"""Objects that the worker reads itself: in pieces, of one content, and what it means where they do not come."""

import asyncio
import io
from pathlib import Path

import pytest

from tests.fakes import answer, refused
from tests.unit.sources.bucket import Bucket
from tests.unit.sources.jobs import manifest
from worker.batch.entry import ListSource
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure
from worker.sources.fetching import PIECE_BYTES, fetch
from worker.sources.files import Files

KEYS = ObjectRef("photos", "keys.txt")
PLACE = manifest("list: keys.txt").sources[0].place


async def fetched(bucket: Bucket) -> bytes:
    file = io.BytesIO()
    await fetch(bucket, PLACE, KEYS, file)
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
async def test_an_object_comes_whole_in_pieces_that_are_never_larger(size: int) -> None:
    content = bytes(index * 7 % 251 for index in range(1000)) * (size // 1000 + 1)
    bucket = Bucket(contents={"keys.txt": content[:size]})
    assert await fetched(bucket) == content[:size]
    head, *pieces = bucket.asked
    assert head.method == "HEAD"
    assert [piece.method for piece in pieces] == ["GET"] * -(-size // PIECE_BYTES)
    assert len({dict(piece.headers)["if-match"] for piece in pieces}) == min(1, len(pieces))


async def test_an_object_that_changes_on_the_way_is_told_not_mixed() -> None:
    bucket = Bucket(contents={"keys.txt": bytes(2 * PIECE_BYTES)})

    def change(request: Request) -> None:
        if request.method == "GET":
            bucket.contents["keys.txt"] += b"x"

    bucket.before = change
    with pytest.raises(StoppedError, match="was changed while it was read"):
        await fetched(bucket)


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (answer(404), UsageError, "oss://photos/keys.txt does not exist"),
        (refused(404, "NoSuchKey"), UsageError, "oss://photos/keys.txt does not exist"),
        (refused(404, "NoSuchBucket"), UsageError, "'photos' does not exist"),
        (answer(403), AccessError, "mend: allow oss:GetObject on it"),
        (refused(403, "AccessDenied"), AccessError, "mend: allow oss:GetObject on it"),
        (refused(403, "SignatureDoesNotMatch"), AccessError, "mend: Check the secret"),
        (refused(503, "ServiceUnavailable"), StoppedError, "ServiceUnavailable: made up"),
        (failure("ConnectionFailed", "nobody there"), StoppedError, "nobody there"),
        (answer(200, b"short"), StoppedError, "UnreadableAnswer"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_an_object_that_does_not_come_is_told_with_the_line_of_the_entry(
    refusal: Answer | Failure, kind: type[WorkerError], words: str, method: str
) -> None:
    bucket = Bucket(contents={"keys.txt": b"a.jpg\n"})
    bucket.before = lambda request: refusal if request.method == method else None
    with pytest.raises(kind, match=words) as caught:
        await fetched(bucket)
    assert "job.yaml:5" in str(caught.value)


def test_an_object_is_fetched_once_and_gone_in_the_end() -> None:
    bucket = Bucket(contents={"keys.txt": b"a.jpg\n"})
    entry = manifest("list: oss://photos/keys.txt").sources[0]
    assert isinstance(entry, ListSource)
    with Files(bucket) as files:
        file = asyncio.run(files.file_of(entry))
        assert asyncio.run(files.file_of(entry)) is file
        assert (file.name, Path(file.path).read_bytes()) == ("oss://photos/keys.txt", b"a.jpg\n")
    assert not Path(file.path).exists()
    assert len(bucket.asked) == 2

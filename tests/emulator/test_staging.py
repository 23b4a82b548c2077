"""Where uploads in parts lie: in the room of a store in memory, in a folder that outlives the server."""

from pathlib import Path
from typing import Any

import pytest

from tests.emulator.client import Client, unsigned
from worker.emulator import multipart
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import OVERHEAD, MemoryStore
from worker.emulator.multipart import MIN_SIZE, MultipartUpload, NoPartError
from worker.emulator.server import LocalOSS
from worker.emulator.store import Description, ObjectType, Store, StoreFullError, put
from worker.oss.request import Request

KEY = "dir/照片 1.bin"
LARGE, SMALL = b"a" * MIN_SIZE, b"b" * 10


def send_part(store: Store, upload: MultipartUpload, number: int, body: bytes) -> None:
    part = multipart.begin_part(store, upload, number)
    part.write(body)
    multipart.commit_part(part)
    part.discard()


def started(store: Store, parts: dict[int, bytes], upload_id: str = "0A" * 16) -> MultipartUpload:
    upload = MultipartUpload("photos", KEY, upload_id, 0, Description({"a": "b"}))
    multipart.initiate(store, upload)
    for number, body in parts.items():
        send_part(store, upload, number, body)
    return upload


class Meanwhile(MemoryStore):
    """Has the first part replaced after all have been looked at, before any is read."""

    def upload(self, bucket: str, key: str) -> Any:
        (upload,) = multipart.uploads_of(self, bucket)
        send_part(self, upload, 1, SMALL)
        return super().upload(bucket, key)


def test_a_part_that_is_replaced_while_the_upload_is_completed_does_not_become_the_object() -> None:
    store = Meanwhile()
    store.make_bucket("photos")
    upload = started(store, {1: LARGE, 2: SMALL})
    with pytest.raises(NoPartError):
        multipart.complete(store, upload, None, None, 1 << 30)
    assert store.stat("photos", KEY) is None
    assert list(multipart.parts_of(store, upload)) == [1, 2]


def test_uploads_lie_in_the_room_of_the_store() -> None:
    store = MemoryStore(capacity=3 * MIN_SIZE + 4 * OVERHEAD)
    store.make_bucket("photos")
    upload = started(store, {1: LARGE, 2: LARGE})
    with pytest.raises(StoreFullError):
        multipart.complete(store, upload, None, None, 1 << 30)
    assert store.stat("photos", KEY) is None
    multipart.abort(store, upload)
    put(store, "photos", KEY, LARGE * 3)


def test_an_upload_that_there_is_no_room_for_is_not_begun() -> None:
    store = MemoryStore(capacity=10)
    store.make_bucket("photos")
    with pytest.raises(StoreFullError):
        started(store, {})
    staging = store.staging("photos")
    assert staging is not None
    assert list(staging.buckets()) == []


def test_uploads_outlive_the_server_and_no_listing_shows_them(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("photos")
    upload = started(store, {2: SMALL, 1: LARGE})
    again = FolderStore(tmp_path)
    assert list(again.keys("photos", "", b"")) == []
    assert [bucket.name for bucket in again.buckets()] == ["photos"]
    (found,) = multipart.uploads_of(again, "photos")
    assert (found.key, found.id, found.description) == (upload.key, upload.id, upload.description)
    stored = multipart.complete(again, found, None, None, 1 << 30)
    assert (stored.size, stored.description.type) == (MIN_SIZE + 10, ObjectType.MULTIPART)
    assert stored.headers == {"a": "b"}
    assert FolderStore(tmp_path).stat("photos", KEY) == stored
    assert list((tmp_path / "photos/.oss/staging").iterdir()) == []


def test_parts_that_were_under_way_in_a_killed_server_are_cleaned_up(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("photos")
    upload = started(store, {1: LARGE})
    staging = tmp_path / "photos/.oss/staging"
    (staging / upload.id.lower() / ".oss/uploads/abandoned").write_bytes(b"half a part")
    (staging / ".oss-bucket-given-up").mkdir()
    FolderStore(tmp_path)
    assert [path.name for path in staging.iterdir()] == [upload.id.lower()]
    assert list((staging / upload.id.lower() / ".oss/uploads").iterdir()) == []
    assert list(multipart.parts_of(store, upload)) == [1]


def test_an_upload_that_a_killed_server_has_only_half_begun_keeps_no_bucket(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("photos")
    upload = started(store, {1: LARGE})
    staging = store.staging("photos")
    assert staging is not None
    staging.make_bucket("0b" * 16)  # and then it was killed
    again = FolderStore(tmp_path)
    assert [path.name for path in (tmp_path / "photos/.oss/staging").iterdir()] == [upload.id.lower()]
    multipart.abort(again, upload)
    assert again.delete_bucket("photos")


def test_what_a_person_does_to_an_upload_harms_no_other(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("photos")
    started(store, {1: LARGE}, "0A" * 16)
    staging = tmp_path / "photos/.oss/staging"
    for name, about in (("0b" * 16, b"\xff"), ("0c" * 16, b""), ("0d" * 16, b"/" * 5000)):
        started(store, {}, name.upper())
        (staging / name / "upload").write_bytes(about)
    (staging / ("0e" * 16)).mkdir()
    (staging / "some-folder").mkdir()
    (staging / "file").write_bytes(b"")
    (staging / ("0a" * 16) / "00000").write_bytes(b"no part")
    (staging / ("0a" * 16) / "note.txt").write_bytes(b"no part")
    (found,) = multipart.uploads_of(FolderStore(tmp_path), "photos")
    assert (found.id, list(multipart.parts_of(store, found))) == ("0A" * 16, [1])


def test_uploads_lie_in_a_folder_and_never_behind_a_link(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "root")
    store.make_bucket("photos")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root/photos/.oss/staging").symlink_to(tmp_path / "elsewhere")
    assert multipart.uploads_of(store, "photos") == []
    with pytest.raises(NotADirectoryError):
        started(store, {})
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_a_listing_of_no_uploads_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    async with LocalOSS(FolderStore(tmp_path), auth=False) as server:
        client = Client(server.url, sign=unsigned)
        listing = await client.get("photos", "", ("uploads", ""))
        assert (listing.status, b"<Upload>" in listing.body) == (200, False)
        query = ("partNumber", "1"), ("uploadId", "0A" * 16)
        assert (await client.send(Request("PUT", "photos", KEY, query, (), b""))).status == 404
    assert list((tmp_path / "photos").iterdir()) == []

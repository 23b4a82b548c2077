"""A folder store whose process is killed keeps the old object or the new one, whole, and starts clean again."""

import fcntl
import os
import random
import signal
import subprocess
import sys
from hashlib import md5
from pathlib import Path

import pytest

from worker.emulator import multipart
from worker.emulator.bucket_folder import BucketFolder
from worker.emulator.folder_listing import Directories
from worker.emulator.folder_store import FolderStore
from worker.emulator.multipart import MultipartUpload
from worker.emulator.operations.appending import commit_appended
from worker.emulator.sidecar import Fingerprint, Sidecars
from worker.emulator.store import ACL, Description, ObjectType, StoredObject, put, put_described

# Writes two keys in turn, one of them stowed away: bodies of one letter, told in a header, of a size to match.
WRITER = """
import sys
from pathlib import Path
from worker.emulator.folder_store import FolderStore
from worker.emulator.store import ACL, Description
store = FolderStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**9):
    letter = b"ABC"[number % 3 : number % 3 + 1]
    for key in ("plain/a.jpg", "stowed//a.jpg"):
        upload = store.upload("bucket", key)
        for _ in range(20 * (1 + number % 3)):
            upload.write(letter * 100_000)
        upload.commit(Description({"x-oss-meta-letter": letter.decode()}))
        upload.discard()
    store.put_style("bucket", "style", letter.decode() * 5000)
    store.put_acl("bucket", list(ACL)[2 + number % 2])
"""


def killed_after(script: str, after_s: float, *args: str) -> int:
    """The exit code of a process that was killed so long after it was ready, if it had not ended by itself."""
    with subprocess.Popen([sys.executable, "-c", script, *args], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        try:
            child.wait(after_s)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.returncode


def check_whole(store: FolderStore, key: str) -> None:
    content = store.open("bucket", key)
    assert content is not None
    with content:
        body = content.file.read()
    letter = body[:1]
    assert body == letter * (2_000_000 * (1 + b"ABC".index(letter)))
    assert content.stored.digest.etag == md5(body, usedforsecurity=False).hexdigest().upper()
    assert content.stored.headers == {"x-oss-meta-letter": letter.decode()}, "the headers are those of the bytes"


def check_after_a_kill(root: Path) -> None:
    store = FolderStore(root)
    assert list((root / "bucket/.oss/uploads").iterdir()) == []
    for key in ("plain/a.jpg", "stowed//a.jpg"):
        check_whole(store, key)
    assert list(store.keys("bucket", "", b"")) == ["plain/a.jpg", "stowed//a.jpg"]
    (style,) = store.styles("bucket")
    assert style.content == style.content[0] * 5000
    (bucket,) = store.buckets()
    assert bucket.acl in {ACL.PUBLIC_READ, ACL.PUBLIC_READ_WRITE}


def prepare(root: Path) -> None:
    store = FolderStore(root)
    store.make_bucket("bucket")
    for key in ("plain/a.jpg", "stowed//a.jpg"):
        put(store, "bucket", key, b"A" * 2_000_000, {"x-oss-meta-letter": "A"})
    store.put_style("bucket", "style", "A" * 5000)
    store.put_acl("bucket", ACL.PUBLIC_READ)


@pytest.mark.parametrize("count", [pytest.param(6, id="few"), pytest.param(300, id="many", marks=pytest.mark.chaos)])
def test_kill_9_leaves_whole_objects_with_their_own_headers_and_no_rubbish(tmp_path: Path, count: int) -> None:
    prepare(tmp_path)
    chance = random.Random(1)
    for _ in range(count):
        killed_after(WRITER, chance.uniform(0.05, 0.4), str(tmp_path))
        check_after_a_kill(tmp_path)


# Uploads one key in parts, all of one letter, told in a header, and appends to another, in turn.
GROWER = """
import secrets, sys
from pathlib import Path
from worker.emulator import multipart
from worker.emulator.folder_store import FolderStore
from worker.emulator.multipart import MultipartUpload
from worker.emulator.operations.appending import commit_appended
from worker.emulator.store import Description, ObjectType
store = FolderStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**9):
    letter = b"ABC"[number % 3 : number % 3 + 1]
    description = Description({"x-oss-meta-letter": letter.decode()})
    upload = MultipartUpload("bucket", "parts//a", secrets.token_hex(16).upper(), 0, description)
    multipart.initiate(store, upload)
    for part_number in range(1, 4):
        part = multipart.begin_part(store, upload, part_number)
        part.write(letter * 300_000)
        multipart.commit_part(part)
        part.discard()
    multipart.complete(store, upload, None, None, 1 << 30)
    seen = store.stat("bucket", "log")
    longer = store.upload("bucket", "log")
    with store.open("bucket", "log") as content:
        longer.write(content.file.read() if seen.size < 9_000_000 else b"")
    longer.write(b"L" * 300_000)
    commit_appended(longer, Description({}, ObjectType.APPENDABLE), seen)
    longer.discard()
"""


def check_grown(root: Path) -> None:
    store = FolderStore(root)
    assert list((root / "bucket/.oss/uploads").iterdir()) == []
    assert list(store.keys("bucket", "", b"")) == ["log", "parts//a"], "nothing of an upload is seen"
    content = store.open("bucket", "parts//a")
    assert content is not None
    with content:
        body = content.file.read()
    assert body == body[:1] * 900_000
    assert content.stored.headers == {"x-oss-meta-letter": body[:1].decode()}
    assert content.stored.description.type is ObjectType.MULTIPART
    content = store.open("bucket", "log")
    assert content is not None
    with content:
        body = content.file.read()
    assert body == b"L" * (len(body) // 300_000 * 300_000)
    etag = md5(body, usedforsecurity=False).hexdigest().upper()[:24]
    assert content.stored.etag == f"{etag}{0:08}", "it has the description of its own bytes"
    uploads = multipart.uploads_of(store, "bucket")
    assert len(uploads) <= 1, "what was complete has gone"
    for upload in uploads:
        for part in multipart.parts_of(store, upload).values():
            assert (part.size, part.digest.etag) == (300_000, part_etag(upload)), "a part is whole, or not there"
        multipart.abort(store, upload)
    assert multipart.uploads_of(store, "bucket") == []


def part_etag(upload: MultipartUpload) -> str:
    letter = upload.description.headers["x-oss-meta-letter"].encode()
    return md5(letter * 300_000, usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize("count", [pytest.param(6, id="few"), pytest.param(300, id="many", marks=pytest.mark.chaos)])
def test_kill_9_in_an_upload_in_parts_or_an_append_leaves_the_old_or_the_new(tmp_path: Path, count: int) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    commit_appended(store.upload("bucket", "log"), Description({}, ObjectType.APPENDABLE), None)
    whole = Description({"x-oss-meta-letter": "A"}, ObjectType.MULTIPART)
    put_described(store, "bucket", "parts//a", b"A" * 900_000, whole)
    chance = random.Random(3)
    for turn in range(count):
        code = killed_after(GROWER, chance.uniform(0.01, 0.2), str(tmp_path))
        assert code == -signal.SIGKILL, f"turn {turn}: it was not killed, it failed"
        check_grown(tmp_path)


MAKER = """
import sys
from pathlib import Path
from worker.emulator.folder_store import FolderStore
from worker.emulator.store import ACL
store = FolderStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**9):
    name = f"bucket-{sys.argv[2]}-{number}"
    store.make_bucket(name, "cn-beijing", ACL.PUBLIC_READ)
    if number % 3 == 2:
        store.delete_bucket(name)
"""


@pytest.mark.parametrize("count", [pytest.param(4, id="few"), pytest.param(100, id="many", marks=pytest.mark.chaos)])
def test_kill_9_leaves_no_bucket_without_its_region_and_acl(tmp_path: Path, count: int) -> None:
    chance = random.Random(2)
    for turn in range(count):
        killed_after(MAKER, chance.uniform(0.01, 0.1), str(tmp_path), str(turn))
        buckets = FolderStore(tmp_path).buckets()
        assert {(bucket.region, bucket.acl) for bucket in buckets} <= {("cn-beijing", ACL.PUBLIC_READ)}
        assert len(buckets) == len(list(tmp_path.iterdir())), "no rubbish beside the buckets"
        assert all((tmp_path / bucket.name / ".oss/created").exists() for bucket in buckets)
    assert buckets


def test_a_bucket_that_is_being_made_is_not_rubbish_to_another_process(tmp_path: Path) -> None:
    draft = tmp_path / ".oss-bucket-of-somebody"
    draft.mkdir()
    lock = os.open(draft, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    FolderStore(tmp_path)
    assert draft.exists()
    os.close(lock)
    FolderStore(tmp_path)
    assert not draft.exists()


def test_an_upload_under_way_is_not_rubbish_to_another_process(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    upload = store.upload("bucket", "a")
    upload.write(b"under way")
    script = (
        "import sys, pathlib; from worker.emulator.folder_store import FolderStore as F; F(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    upload.commit(Description())
    content = store.open("bucket", "a")
    assert content is not None
    with content:
        assert content.file.read() == b"under way"


def test_only_drafts_are_cleaned_up(tmp_path: Path) -> None:
    uploads = tmp_path / "bucket/.oss/uploads"
    (uploads / "folder").mkdir(parents=True)
    (tmp_path / "kept").write_bytes(b"")
    (uploads / "abandoned").write_bytes(b"rubbish")
    (uploads / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(uploads / "pipe")
    FolderStore(tmp_path)
    assert sorted(path.name for path in uploads.iterdir()) == ["folder", "link", "pipe"]
    assert (tmp_path / "kept").exists()


def test_a_kill_before_an_object_is_touched_costs_its_description_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    old = Description({"x-oss-meta-a": "b"}, acl=ACL.PRIVATE)
    put_described(store, "bucket", "a", b"old", old)

    def killed(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", killed)
        with pytest.raises(KeyboardInterrupt):
            store.describe("bucket", "a", lambda _: Description({"x-oss-meta-a": "new"}), touch=True)
    again = FolderStore(tmp_path).stat("bucket", "a")
    assert again is not None
    assert again.description == old


def test_a_kill_between_sidecar_and_rename_costs_the_old_object_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    headers = {"content-type": "image/x", "x-oss-meta-a": "b"}
    put(store, "bucket", "a", b"old", headers)
    current = Fingerprint.of((tmp_path / "bucket/a").stat())
    folder = BucketFolder(tmp_path / "bucket", Directories(), folds=False)
    old = store.stat("bucket", "a")
    assert isinstance(old, StoredObject)
    for inode in (1, 2):  # two kills, one after the other
        new = Fingerprint(3, 4, inode)
        Sidecars().write(folder, "a", new, (old.digest, Description({"x-oss-meta-a": "new"})), current)
    again = FolderStore(tmp_path).stat("bucket", "a")
    assert again is not None
    assert again.headers == headers

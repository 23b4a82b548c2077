"""Any interleaving of what the object API does equals a dictionary, on both stores."""

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import md5
from itertools import product
from pathlib import Path
from urllib.parse import quote
from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.examples import examples
from worker.emulator.access.accounts import Account
from worker.emulator.access.identity import Identity
from worker.emulator.budget import Budget
from worker.emulator.call import Answer, Call, Service
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.operations import OPERATIONS
from worker.emulator.routing import operation_of
from worker.emulator.store import Store
from worker.oss.refusal import RefusedError
from worker.oss.request import Request
from worker.oss.signing import Credentials

BUCKET = "bucket"
LEAST = 102_400  # bytes of a part that is not the last
KEYS = st.sampled_from(["a", "a/b", "a/b/c", "a//b", "a-b", "A", "b/", ".oss/staging", "照/1"])
BODIES = st.builds(lambda letter, size: letter * size, st.sampled_from([b"x", b"y"]), st.sampled_from([0, 3, LEAST]))
METAS = TAGS = st.sampled_from(["", "one", "two"])
ACLS = st.sampled_from(["default", "private", "public-read"])
NUMBERS = st.sampled_from([1, 2, 3, 10_000])


def etag_of(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest().upper()


def in_order(entry: tuple[str, bool]) -> bytes:
    """The order of a listing's entries: a name, and whether it is a common prefix."""
    return entry[0].encode()


@dataclass(frozen=True)
class Modelled:
    """An object of the model; `target` is that of a symlink."""

    kind: str
    body: bytes
    meta: str
    etag: str
    target: str = ""
    acl: str = "default"
    tags: str = ""


def normal(body: bytes, meta: str, tags: str = "") -> Modelled:
    return Modelled("Normal", body, meta, etag_of(body), tags=tags)


@dataclass
class Underway:
    """An upload in parts of the model."""

    id: str
    key: str
    meta: str
    parts: dict[int, bytes] = field(default_factory=dict)


class RefusalError(Exception):
    """What was refused, by its code."""


class Objects(RuleBasedStateMachine):
    """The operations as the server calls them, without HTTP, beside what they should come to."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.pictures = ThreadPoolExecutor(1)
        self.store = self.opened()
        self.store.make_bucket(BUCKET)
        self.there: dict[str, Modelled] = {}
        self.uploads: list[Underway] = []

    def opened(self) -> Store:
        """The store; what it kept before is there again."""
        return FolderStore(self.root)

    def teardown(self) -> None:
        try:
            for delimiter, older in product(["", "/"], [False, True]):
                self.check_listing("", delimiter, "1", older)
        finally:
            self.runner.close()
            self.pictures.shutdown()
            shutil.rmtree(self.root)

    def call(self, method: str, key: str = "", *query: tuple[str, str], body: bytes = b"", **headers: str) -> Answer:
        """What is answered. Raises RefusalError, or AssertionError for a 5xx."""
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        request = Request(method, BUCKET, key, query, named)
        service = Service(self.store, ("cn-hangzhou",), time.time, self.pictures, Budget(), threading.Event())

        async def pieces() -> AsyncIterator[bytes]:
            yield body

        call = Call(request, dict(query), dict(named), pieces(), service, Identity(Account(Credentials("", ""))))

        async def answer() -> Answer:
            return await OPERATIONS[operation_of(request)].answer(call)

        try:
            return self.runner.run(answer())
        except RefusedError as error:
            raise RefusalError(error.refusal.code) from None

    def code(self, method: str, key: str, *query: tuple[str, str], body: bytes = b"", **headers: str) -> str:
        """The code of a refusal, empty for what is done."""
        try:
            self.call(method, key, *query, body=body, **headers)
        except RefusalError as refused:
            return str(refused)
        return ""

    def document(self, *query: tuple[str, str], key: str = "") -> Element:
        answer = self.call("GET", key, *query)
        assert isinstance(answer.body, bytes)
        root: Element = ElementTree.fromstring(answer.body)
        return root

    @rule(key=KEYS, body=BODIES, meta=METAS, tags=TAGS, acl=ACLS, keep=st.booleans())
    def put(self, key: str, body: bytes, meta: str, tags: str, acl: str, keep: bool) -> None:
        headers = {"x_oss_meta_a": meta, "x_oss_tagging": tags, "x_oss_object_acl": acl}
        code = self.code("PUT", key, body=body, **headers, x_oss_forbid_overwrite=str(keep).lower())
        if keep and key in self.there:
            assert code == "FileAlreadyExists"
        else:
            assert code == ""
            self.there[key] = replace(normal(body, meta, tags), acl=acl)

    @rule(key=KEYS, body=BODIES, meta=METAS, off=st.sampled_from([0, 0, 0, 1]))
    def append(self, key: str, body: bytes, meta: str, off: int) -> None:
        old = self.there.get(key)
        position = (len(old.body) if old else 0) + off
        code = self.code("POST", key, ("append", ""), ("position", str(position)), body=body, x_oss_meta_a=meta)
        if old and old.kind != "Appendable":
            assert code == "ObjectNotAppendable"
        elif off:
            assert code == "PositionNotEqualToLength"
        else:
            assert code == ""
            whole = (old.body if old else b"") + body
            etag = f"{etag_of(whole)[:24]}{0:08}"
            begun = old or Modelled("Appendable", b"", meta, "")
            self.there[key] = replace(begun, body=whole, etag=etag)

    @rule(source=KEYS, key=KEYS, meta=METAS, replace=st.booleans())
    def copy(self, source: str, key: str, meta: str, replace: bool) -> None:
        code = self.code(
            "PUT",
            key,
            x_oss_copy_source=f"/{BUCKET}/{quote(source)}",
            x_oss_meta_a=meta,
            x_oss_metadata_directive="REPLACE" if replace else "COPY",
        )
        old = self.there.get(source)
        if old is None:
            assert code == "NoSuchKey"
            return
        assert code == ""
        meta = meta if replace or source == key else old.meta
        if source == key or old.kind == "Symlink":
            self.there[key] = Modelled(old.kind, old.body, meta, old.etag, old.target, tags=old.tags)
        else:
            self.there[key] = normal(old.body, meta, old.tags)

    @rule(key=KEYS, aim=KEYS, meta=METAS)
    def link(self, key: str, aim: str, meta: str) -> None:
        assert self.code("PUT", key, ("symlink", ""), x_oss_symlink_target=quote(aim), x_oss_meta_a=meta) == ""
        self.there[key] = Modelled("Symlink", b"", meta, etag_of(aim.encode()), aim)

    @rule(key=KEYS, acl=ACLS)
    def change_acl(self, key: str, acl: str) -> None:
        code = self.code("PUT", key, ("acl", ""), x_oss_object_acl=acl)
        assert code == ("" if key in self.there else "NoSuchKey")
        if key in self.there:
            self.there[key] = replace(self.there[key], acl=acl)

    @rule(key=KEYS, tags=TAGS)
    def tag(self, key: str, tags: str) -> None:
        body = f"<Tagging><TagSet><Tag><Key>{tags}</Key><Value/></Tag></TagSet></Tagging>".encode()
        code = self.code("PUT" if tags else "DELETE", key, ("tagging", ""), body=body)
        assert code == ("" if key in self.there else "NoSuchKey")
        if key in self.there:
            self.there[key] = replace(self.there[key], tags=tags)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.code("DELETE", key) == ""
        self.there.pop(key, None)

    @rule(key=KEYS)
    def read(self, key: str) -> None:
        found = self.there.get(key)
        wanted = found
        code = "" if found else "NoSuchKey"
        if found and found.kind == "Symlink":
            wanted = self.there.get(found.target)
            code = "" if wanted else "SymlinkTargetNotExist"
            if wanted and wanted.kind == "Symlink":
                code = "InvalidTargetType"
        try:
            answer = self.call("GET", key)
        except RefusalError as refused:
            told = str(refused)
        else:
            told = ""
        assert told == code
        if code:
            return
        headers = dict(answer.headers)
        assert found is not None
        assert wanted is not None
        assert not isinstance(answer.body, bytes)
        with answer.body.content as content:
            assert content.file.read() == wanted.body
        assert (headers["ETag"], headers["x-oss-object-type"]) == (f'"{wanted.etag}"', found.kind)
        assert headers.get("x-oss-meta-a") == found.meta

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "b/", ".oss"]),
        delimiter=st.sampled_from(["", "/", "b"]),
        limit=st.sampled_from(["1", "2", "1000"]),
        older=st.booleans(),
    )
    def listing(self, prefix: str, delimiter: str, limit: str, older: bool) -> None:
        self.check_listing(prefix, delimiter, limit, older)

    def check_listing(self, prefix: str, delimiter: str, limit: str, older: bool) -> None:
        """Page by page every entry comes once, in order."""
        found: list[tuple[str, bool]] = []
        token: tuple[tuple[str, str], ...] = ()
        query = ("list-type", "1" if older else "2"), ("prefix", prefix), ("delimiter", delimiter), ("max-keys", limit)
        here, there = ("marker", "NextMarker") if older else ("continuation-token", "NextContinuationToken")
        while True:
            page = self.document(*query, *token)
            keys = [(entry.findtext("Key", ""), False) for entry in page.iter("Contents")]
            prefixes = [(entry.findtext("Prefix", ""), True) for entry in page.iter("CommonPrefixes")]
            assert len(keys + prefixes) <= int(limit)
            for entries in (keys, prefixes):
                assert entries == sorted(entries, key=in_order)
                assert not found or all(in_order(found[-1]) < in_order(entry) for entry in entries), "pages overlap"
            found += sorted(keys + prefixes, key=in_order)
            for (key, _), entry in zip(keys, page.iter("Contents"), strict=True):
                stored = self.there[key]
                told = tuple(entry.findtext(tag) for tag in ("Type", "Size", "ETag"))
                assert told == (stored.kind, str(len(stored.body)), f'"{stored.etag}"')
            if page.findtext("IsTruncated") == "false":
                break
            token = ((here, page.findtext(there, "")),)
        wanted = set()
        for key in self.there:
            if key.startswith(prefix):
                end = key.find(delimiter, len(prefix)) if delimiter else -1
                wanted.add((key, False) if end < 0 else (key[: end + len(delimiter)], True))
        assert found == sorted(wanted, key=in_order)

    @precondition(lambda self: len(self.uploads) < 3)
    @rule(key=KEYS, meta=METAS)
    def initiate(self, key: str, meta: str) -> None:
        answer = self.call("POST", key, ("uploads", ""), x_oss_meta_a=meta)
        assert isinstance(answer.body, bytes)
        upload: Element = ElementTree.fromstring(answer.body)
        self.uploads.append(Underway(upload.findtext("UploadId", ""), key, meta))

    @precondition(lambda self: self.uploads)
    @rule(index=st.integers(0, 2), number=NUMBERS, body=BODIES)
    def part(self, index: int, number: int, body: bytes) -> None:
        upload = self.uploads[index % len(self.uploads)]
        query = ("partNumber", str(number)), ("uploadId", upload.id)
        assert self.code("PUT", upload.key, *query, body=body) == ""
        upload.parts[number] = body

    @precondition(lambda self: self.uploads)
    @rule(index=st.integers(0, 2), number=NUMBERS, source=KEYS)
    def part_copy(self, index: int, number: int, source: str) -> None:
        upload = self.uploads[index % len(self.uploads)]
        query = ("partNumber", str(number)), ("uploadId", upload.id)
        code = self.code("PUT", upload.key, *query, x_oss_copy_source=f"/{BUCKET}/{quote(source)}")
        found = self.there.get(source)
        if found is None:
            assert code == "NoSuchKey"
        elif found.kind == "Symlink":
            assert code == "InvalidArgument"
        else:
            assert code == ""
            upload.parts[number] = found.body

    @precondition(lambda self: self.uploads)
    @rule(index=st.integers(0, 2), numbers=st.lists(NUMBERS, min_size=1, max_size=3))
    def complete(self, index: int, numbers: list[int]) -> None:
        upload = self.uploads[index % len(self.uploads)]
        parts = [(number, etag_of(upload.parts.get(number, b""))) for number in numbers]
        listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        code = self.code("POST", upload.key, ("uploadId", upload.id), body=body)
        if numbers != sorted(set(numbers)):
            assert code == "InvalidPartOrder"
        elif not set(numbers) <= set(upload.parts):
            assert code == "InvalidPart"
        elif any(len(upload.parts[number]) < LEAST for number in numbers[:-1]):
            assert code == "EntityTooSmall"
        else:
            assert code == ""
            joined = etag_of(bytes.fromhex("".join(etag for _, etag in parts)))
            whole = b"".join(upload.parts[number] for number in numbers)
            self.there[upload.key] = Modelled("Multipart", whole, upload.meta, f"{joined}-{len(parts)}")
            self.uploads.remove(upload)

    @precondition(lambda self: self.uploads)
    @rule(index=st.integers(0, 2))
    def abort(self, index: int) -> None:
        upload = self.uploads.pop(index % len(self.uploads))
        assert self.code("DELETE", upload.key, ("uploadId", upload.id)) == ""
        assert self.code("DELETE", upload.key, ("uploadId", upload.id)) == "NoSuchUpload"

    @rule()
    def restart(self) -> None:
        self.store = self.opened()

    @invariant()
    def objects_are_those_of_the_model(self) -> None:
        assert set(self.store.keys(BUCKET, "", b"")) == set(self.there)
        for key, wanted in self.there.items():
            content = self.store.open(BUCKET, key)
            assert content is not None
            with content:
                assert content.file.read() == wanted.body
            assert (content.stored.etag, content.stored.description.type) == (wanted.etag, wanted.kind)
            assert content.stored.headers.get("x-oss-meta-a") == wanted.meta
            assert content.stored.description.acl == wanted.acl
            assert content.stored.description.tags == (((wanted.tags, ""),) if wanted.tags else ())

    @invariant()
    def uploads_are_those_of_the_model(self) -> None:
        found = {
            (each.findtext("Key"), each.findtext("UploadId")) for each in self.document(("uploads", "")).iter("Upload")
        }
        assert found == {(upload.key, upload.id) for upload in self.uploads}
        for upload in self.uploads:
            parts = self.document(("uploadId", upload.id), key=upload.key).iter("Part")
            told = {int(part.findtext("PartNumber", "")): part.findtext("ETag") for part in parts}
            assert told == {number: f'"{etag_of(body)}"' for number, body in upload.parts.items()}


class InMemory(Objects):
    """As above on a store in memory, which keeps nothing."""

    def opened(self) -> Store:
        return getattr(self, "store", None) or MemoryStore()


TestFolder = Objects.TestCase
TestFolder.settings = settings(examples(100), stateful_step_count=30)
TestMemory = InMemory.TestCase
TestMemory.settings = settings(examples(200), stateful_step_count=30)

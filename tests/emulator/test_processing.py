"""Processing over HTTP: in place of reading, and with sys/saveas."""

import base64
import json
from urllib.parse import quote

import pytest
from defusedxml import ElementTree

from tests.emulator.client import Client
from tests.emulator.pictures import jpeg, opened, picture, saved
from worker.emulator.images import rendering
from worker.emulator.memory_store import MemoryStore
from worker.emulator.store import put
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request, process_object

SOURCE = "dir/照片 1.jpg"
TARGET = ObjectRef("renditions", "out/照片 (1)+.jpg")
SMALL = "image/resize,w_100"


@pytest.fixture(autouse=True)
def stored(store: MemoryStore) -> None:
    store.make_bucket("renditions")
    put(store, "photos", SOURCE, jpeg(), {"content-type": "image/jpeg"})
    put(store, "photos", "text", b"no picture")


def refused(answer: Answer) -> tuple[int, str | None, str | None]:
    root = ElementTree.fromstring(answer.body)
    return answer.status, root.findtext("Code"), root.findtext("EC")


async def test_a_saved_result_is_answered_as_recorded(client: Client, store: MemoryStore) -> None:
    answer = await client.process("photos", SOURCE, saveas(SMALL, TARGET))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    content = store.open("renditions", TARGET.key)
    assert content is not None
    size = content.stored.size
    assert answer.body.decode() == (
        '{\n    "bucket": "renditions",\n'
        f'    "fileSize": {size},\n    "object": "{TARGET.key}",\n'
        '    "status": "OK"\n}'
    )
    assert opened(content.file.read()).size == (100, 75)
    assert content.stored.headers == {"content-type": "image/jpeg"}
    assert client.seen == ["ProcessObject"]


@pytest.mark.parametrize(
    "body",
    [
        saveas(SMALL, TARGET),
        f"x-oss-process={saveas(SMALL, TARGET)}",
        quote(saveas(SMALL, TARGET), safe=""),
        f"{SMALL},|sys/saveas,o_{{padded}},b_{{bucket}}",
        f"{SMALL}|sys/saveas,b_{{bucket}},o_{{standard}}",
    ],
)
async def test_all_spellings_of_the_sdks_are_understood(client: Client, store: MemoryStore, body: str) -> None:
    names = {
        "padded": base64.urlsafe_b64encode(TARGET.key.encode()).decode(),
        "standard": base64.b64encode(TARGET.key.encode()).decode(),
        "bucket": base64.urlsafe_b64encode(b"renditions").decode(),
    }
    for name, value in names.items():
        body = body.replace(f"{{{name}}}", value)
    answer = await client.process("photos", SOURCE, body.removeprefix("x-oss-process="))
    assert json.loads(answer.body)["object"] == TARGET.key, answer.body
    assert store.stat("renditions", TARGET.key) is not None


async def test_without_a_bucket_the_result_lies_beside_the_source(client: Client, store: MemoryStore) -> None:
    name = base64.urlsafe_b64encode(b"out.jpg").decode()
    answer = await client.process("photos", SOURCE, f"{SMALL}|sys/saveas,o_{name}")
    assert json.loads(answer.body)["bucket"] == ""
    assert store.stat("photos", "out.jpg") is not None


async def test_without_saveas_the_result_comes_back(client: Client, store: MemoryStore) -> None:
    answer = await client.process("photos", SOURCE, f"{SMALL}/format,png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert opened(answer.body).size == (100, 75)
    assert list(store.keys("renditions", "", b"")) == []


async def test_get_processes_too_and_keeps_the_etag_of_the_source(client: Client, store: MemoryStore) -> None:
    answer = await client.get("photos", SOURCE, ("x-oss-process", SMALL))
    source = store.stat("photos", SOURCE)
    assert source is not None
    assert opened(answer.body).size == (100, 75)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == f'"{source.digest.etag}"'
    assert "x-oss-hash-crc64ecma" not in answer.headers, "that would be the source's"
    part = await client.get("photos", SOURCE, ("x-oss-process", "image/info"), range="bytes=0-9")
    assert (part.status, part.body, part.headers["content-type"]) == (206, b'{\n    "Fil', "application/json")
    same = await client.get("photos", SOURCE, ("x-oss-process", SMALL), if_none_match=answer.headers["etag"])
    assert same.status == 304


async def test_an_unknown_parameter_in_capitals_is_ignored_as_recorded(client: Client) -> None:
    assert (await client.get("photos", SOURCE, ("X-Oss-Process", SMALL))).body == jpeg()


@pytest.mark.parametrize(
    ("body", "status", "code", "ec"),
    [
        ("", 400, "InvalidRequest", None),
        (b"", 400, "InvalidRequest", None),
        (b"process=image/resize,w_10", 400, "InvalidRequest", None),
        (b"x-oss-process=\xff\xfe", 400, "InvalidArgument", "0040-00000213"),
        ("image/", 400, "InvalidArgument", "0040-00000212"),
        ("image//", 400, "InvalidArgument", "0040-00000212"),
        ("image/flip,1", 400, "InvalidArgument", "0040-00000213"),
        ("image/format,heic", 501, "NotImplemented", None),
        ("style/missing", 404, "NoSuchStyle", None),
        ("style/bad name", 400, "InvalidArgument", "0017-00000251"),
        ("style/../../secret", 400, "InvalidArgument", "0017-00000251"),
        (f"{SMALL}|saveas,o_b3V0", 400, "InvalidArgument", "0040-00000213"),
        (f"{SMALL}|sys/saveas,o_!", 400, "BadRequest", None),
        (f"{SMALL}|sys/saveas,b_cmVuZGl0aW9ucw", 400, "InvalidObjectName", None),
        (f"{SMALL}|sys/saveas,o_L2E", 400, "InvalidObjectName", None),
        (f"{SMALL}|sys/saveas,o_YQ,b_QUI", 400, "InvalidBucketName", None),
        (f"{SMALL}|sys/saveas,o_YQ,b_Li4", 400, "InvalidBucketName", None),
        (f"{SMALL}|sys/saveas,o_YQ,b_bm8tYnVja2V0", 404, "NoSuchBucket", "0015-00000101"),
        (f"{SMALL}|sys/saveas,o_e2tleX0", 501, "NotImplemented", None),
        (f"sys/saveas,o_YQ|{SMALL}", 400, "InvalidArgument", None),
        ("sys/saveas,o_YQ", 400, "InvalidArgument", "0040-00000212"),
        ("|".join([SMALL] * 7), 400, "TooManyPipes", "0040-00000211"),
        ("x" * 70_000, 400, "EntityTooLarge", None),
    ],
)
async def test_what_is_refused(
    client: Client, store: MemoryStore, body: bytes | str, status: int, code: str, ec: str | None
) -> None:
    before = [*store.keys("photos", "", b""), *store.keys("renditions", "", b"")]
    assert refused(await client.process("photos", SOURCE, body)) == (status, code, ec)
    assert [*store.keys("photos", "", b""), *store.keys("renditions", "", b"")] == before


async def test_saveas_in_get_is_refused(client: Client) -> None:
    answer = await client.get("photos", SOURCE, ("x-oss-process", saveas(SMALL, TARGET)))
    assert refused(answer)[:2] == (400, "InvalidArgument")


async def test_missing_sources_and_buckets_have_codes_of_their_own(client: Client) -> None:
    process = saveas(SMALL, TARGET)
    assert refused(await client.process("photos", "missing", process)) == (404, "NoSuchKey", "0040-00000024")
    assert refused(await client.process("no-bucket", SOURCE, process)) == (404, "NoSuchBucket", "0015-00000101")
    missing = await client.get("photos", "missing", ("x-oss-process", SMALL))
    assert refused(missing) == (404, "NoSuchKey", "0040-00000024")
    assert refused(await client.process("photos", "text", process)) == (400, "BadRequest", "0040-00000005")


async def test_six_processors_are_a_chain(client: Client) -> None:
    chain = "|".join(["image/resize,w_200", "image/rotate,90", *["image/quality,Q_90"] * 3, "image/format,png"])
    image = opened((await client.process("photos", SOURCE, chain)).body)
    assert (image.format, image.size) == ("PNG", (150, 200))


async def test_a_style_is_what_it_holds(client: Client, store: MemoryStore) -> None:
    store.put_style("photos", "small-1", "image/resize,w_50/format,png")
    store.put_style("photos", "itself", "style/itself")
    store.put_style("photos", "saves", saveas(SMALL, TARGET))
    store.put_style("photos", "nonsense", "resize")
    assert (await client.process("photos", SOURCE, saveas("style/small-1", TARGET))).status == 200
    image = opened((await client.get("photos", SOURCE, ("x-oss-process", "style/small-1|image/rotate,90"))).body)
    assert (image.format, image.size) == ("PNG", (38, 50))
    for name in ("itself", "saves", "nonsense"):
        answer = await client.process("photos", SOURCE, f"style/{name}")
        assert refused(answer) == (400, "BadRequest", "0017-00000253")


async def asynchronously(client: Client, body: str, key: str = SOURCE) -> Answer:
    request = Request("POST", "photos", key, (("x-oss-async-process", ""),), body=body.encode())
    return await client.send(request)


@pytest.mark.parametrize("process", [saveas(SMALL, TARGET), SMALL, "style/small", "image/info"])
async def test_pictures_are_not_processed_asynchronously(client: Client, store: MemoryStore, process: str) -> None:
    answer = await asynchronously(client, f"x-oss-async-process={process}")
    assert refused(answer) == (400, "InvalidArgument", None)
    assert ElementTree.fromstring(answer.body).findtext("ArgumentName") == "x-oss-async-process"
    assert store.stat("renditions", TARGET.key) is None


@pytest.mark.parametrize("process", ["video/convert,f_mp4", "doc/convert,target_pdf", "image/deblindwatermark,t_text"])
async def test_what_the_service_does_asynchronously_is_refused_by_name(client: Client, process: str) -> None:
    answer = await asynchronously(client, f"x-oss-async-process={process}|sys/saveas,o_Yg")
    assert refused(answer) == (501, "NotImplemented", None)
    assert f"AsyncProcessObject with {process.partition(',')[0]}".encode() in answer.body


async def test_what_is_asked_for_asynchronously_has_to_make_sense(client: Client) -> None:
    assert refused(await asynchronously(client, f"x-oss-process={SMALL}")) == (400, "InvalidRequest", None)
    missing = await asynchronously(client, f"x-oss-async-process={SMALL}", "missing")
    assert refused(missing) == (404, "NoSuchKey", "0040-00000024")


async def test_a_source_over_twenty_megabytes_is_only_looked_at(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "large.jpg", jpeg() + bytes(rendering.MAX_SOURCE))
    answer = await client.process("photos", "large.jpg", SMALL)
    assert refused(answer) == (400, "ImageTooLarge", "0040-00000001")
    assert b"Maximal size of image supported is 20971520" in answer.body
    answer = await client.get("photos", "large.jpg", ("x-oss-process", "image/info"))
    assert json.loads(answer.body)["ImageWidth"] == {"value": "400"}


async def test_the_type_is_that_of_the_bytes_not_of_the_key(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "really.jpg", saved(picture(80, 60), "PNG"))
    answer = await client.process("photos", "really.jpg", saveas(SMALL, ObjectRef("photos", "out.jpg")))
    assert answer.status == 200
    stored = store.stat("photos", "out.jpg")
    assert stored is not None
    assert stored.headers["content-type"] == "image/png"


async def test_saveas_never_overwrites_where_overwriting_was_forbidden(client: Client, store: MemoryStore) -> None:
    put(store, "renditions", TARGET.key, b"mine")
    request = process_object(ObjectRef("photos", SOURCE), saveas(SMALL, TARGET))
    answer = await client.send(request.with_headers(("x-oss-forbid-overwrite", "true")))
    assert refused(answer)[:2] == (501, "NotImplemented")
    content = store.open("renditions", TARGET.key)
    assert content is not None
    assert content.file.read() == b"mine"

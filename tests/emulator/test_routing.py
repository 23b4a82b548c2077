"""Every sub-resource that the service knows is an operation of its own: done, or refused by its name."""

from dataclasses import replace

import oss2
import pytest
from defusedxml import ElementTree

from tests.emulator.client import Client, unsigned
from worker.emulator import routing
from worker.emulator.memory_store import MemoryStore
from worker.emulator.operations import OPERATIONS
from worker.emulator.routing import operation_of
from worker.emulator.store import put
from worker.oss.request import Request

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
NAMES = {
    ("", ""): [*routing.SERVICE, ""],
    ("photos", ""): [*routing.BUCKET, "versions", "uploads", "delete", ""],
    ("photos", "a.jpg"): [*routing.OBJECT, *routing.POST, "versionId", "partNumber", "uploadId", "objectMeta", ""],
}
REQUESTS = [
    Request(method, bucket, key, ((name, ""),) if name else ())
    for (bucket, key), names in NAMES.items()
    for name in names
    for method in METHODS
]


def shown(request: Request) -> str:
    level = "object" if request.key else "bucket" if request.bucket else "service"
    return f"{request.method} {level} {''.join(name for name, _ in request.query)}"


@pytest.mark.parametrize("names", NAMES.values(), ids=["service", "bucket", "object"])
def test_a_sub_resource_makes_another_operation_of_a_request(names: list[str]) -> None:
    (place,) = (place for place, known in NAMES.items() if known is names)
    known = [*routing.SERVICE] if not place[0] else [*routing.BUCKET] if not place[1] else [*routing.OBJECT]
    for method in METHODS:
        plain = operation_of(Request(method, *place))
        found = [operation_of(Request(method, *place, ((name, ""),))) for name in known]
        assert plain not in found
        assert len(set(found)) == len(found)


async def test_what_is_not_there_is_refused_by_its_name_and_changes_nothing(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a.jpg", b"x")
    before = store.buckets(), store.stat("photos", "a.jpg")
    missing = [request for request in REQUESTS if operation_of(request) not in OPERATIONS]
    assert len(missing) > 200
    for request in missing:
        answer = await client.send(request)
        assert answer.status == 501, shown(request)
        if request.method != "HEAD":
            root = ElementTree.fromstring(answer.body)
            assert root.findtext("Code") == "NotImplemented"
            assert f" {operation_of(request)}." in (root.findtext("Message") or ""), shown(request)
        assert (await replace(client, sign=unsigned).send(request)).status == 403, shown(request)
    assert (store.buckets(), store.stat("photos", "a.jpg")) == before


def test_every_operation_that_is_there_can_be_asked_for() -> None:
    asked = {operation_of(request) for request in REQUESTS}
    asked |= {
        operation_of(request)
        for request in (
            Request("GET", "photos", query=(("list-type", "2"),)),
            Request("GET", "photos", query=(("style", ""), ("styleName", "small"))),
            Request("PUT", "photos", "a", headers=(("x-oss-copy-source", "/photos/b"),)),
            Request("PUT", "photos", "a", (("partNumber", "1"),), (("x-oss-copy-source", "/photos/b"),)),
        )
    }
    assert set(OPERATIONS) <= asked


# What oss2 signs that names no operation, but is an argument of some.
ARGUMENTS = {
    *("callback", "callback-var", "comp", "continuation-token", "endTime", "inventoryId", "position", "security-token"),
    *("sequential", "startTime", "status", "styleName"),
}


def test_all_that_oss2_signs_is_known() -> None:
    signed = {name for name in oss2.ProviderAuth._subresource_key_set if not name.startswith(("response-", "x-oss-"))}
    known = {name for names in NAMES.values() for name in names}
    assert signed - ARGUMENTS - known == set()
    assert {"x-oss-process", "x-oss-async-process"} <= known


@pytest.mark.parametrize("process", ["csv/select", "json/meta"])
def test_to_select_is_not_to_process(process: str) -> None:
    assert operation_of(Request("POST", "photos", "a", (("x-oss-process", process),))) == "SelectObject"
    assert operation_of(Request("POST", "photos", "a", (("x-oss-process", "image/info"),))) == "ProcessObject"

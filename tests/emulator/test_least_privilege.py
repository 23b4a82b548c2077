"""The policy that `policy` prints: with it a run succeeds, and without any part of it the run says what is missing."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.pictures import jpeg
from tests.emulator.worker_run import run_worker
from tests.inventories import FULL, delivered, row
from worker.batch.reader import parse_manifest
from worker.emulator.access.accounts import Access
from worker.emulator.access.reading import read_access
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.errors import WorkerError
from worker.oss.encoding import to_base64
from worker.oss.signing import Credentials
from worker.permissions import permissions
from worker.preflight import preflight
from worker.settings.loading import load_settings

SECRET = "made-up-secret"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = "version: 1\njob: test\nbucket: photos\n"
TABLE = f"""{HEAD}
sources: [prefix: in/, csv: more.csv]
existing: skip
pipelines:
  - name: small
    process: image/resize,w_40/watermark,image_{to_base64("marks/logo.jpg")}
    target: {{bucket: renditions, key: "small/{{bucket}}/{{key}}"}}
  - name: own
    process: image/resize,w_30
    target: {{key: "own/{{key}}"}}
"""
STYLED = f"""{HEAD}
sources: [objects: [in/a.jpg]]
pipelines:
  - {{name: styled, style: tiny, revision: auto, target: {{bucket: renditions, key: "styled/{{key}}"}}}}
"""
FILED = f"""{HEAD}
sources: [list: oss://lists/keys.txt, inventory: oss://inv/{FULL}]
pipelines:
  - {{name: small, process: "image/resize,w_40", target: {{bucket: renditions, key: "small/{{key}}"}}}}
"""
READ = ["oss:GetObject", "oss:PostProcessTask"]


def store() -> MemoryStore:
    found = MemoryStore()
    for bucket, keys in {"photos": ("in/a.jpg", "marks/logo.jpg"), "second": ("b.jpg", "marks/logo.jpg")}.items():
        found.make_bucket(bucket)
        for key in keys:
            put(found, bucket, key, jpeg(80, 60) if "logo" not in key else jpeg(8, 6))
    for bucket in ("renditions", "lists", "inv"):
        found.make_bucket(bucket)
    put(found, "lists", "keys.txt", b"marks/logo.jpg\n")
    inventory = delivered([row("in/a.jpg")], destination="inv")
    for key, content in inventory.objects.items():
        put(found, "inv", key, content)
    found.put_style("photos", "tiny", "image/resize,w_20")
    return found


def without_each_part(policy: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policy without each action of each statement in turn; a statement without actions is no statement."""
    for number, statement in enumerate(policy["Statement"]):
        for action in statement["Action"]:
            less = deepcopy(policy)
            less["Statement"][number]["Action"].remove(action)
            less["Statement"] = [one for one in less["Statement"] if one["Action"]]
            yield action, less


def access_of(policy: dict[str, Any], directory: Path) -> Access:
    """A key that may do what the policy says, read as `serve --policies` reads it."""
    keys = [{"id": "limited", "secret": SECRET, "policies": [policy]}]
    (directory / "policies.json").write_text(json.dumps({"version": 1, "keys": keys}))
    return read_access(directory / "policies.json", NOW)


async def run_with(policy: dict[str, Any], manifest: str, directory: Path) -> tuple[int, int, str]:
    """Exit, number of saved targets, and everything that is said, of a first run with a policy."""
    (directory / "more.csv").write_text("key,bucket\nb.jpg,second\n")
    async with LocalOSS(store(), access=access_of(policy, directory)) as server:
        try:
            ran = await run_worker(server.url, directory, Credentials("limited", SECRET), manifest=manifest)
        except WorkerError as error:
            return error.exit_code, 0, str(error)
    said = [*ran.summary.notes, *(record.error.message for record in ran.records if record.error)]
    return ran.summary.exit, ran.summary.saved, "\n".join(said)


@pytest.mark.parametrize(
    ("manifest", "saved", "actions"),
    [
        # Sources; the watermark image; targets to be written and, before that, looked up; what finds mistakes early.
        (TABLE, 4, [*READ, "oss:GetObject", "oss:PutObject", "oss:GetObject", "oss:ListObjects", "oss:GetBucketInfo"]),
        # Files of entries that are objects, and what these name.
        (FILED, 2, [*READ, "oss:GetObject", "oss:PutObject", "oss:GetBucketInfo"]),
        (STYLED, 1, [*READ, "oss:PutObject", "oss:GetBucketInfo", "oss:GetStyle"]),
    ],
    ids=["table", "filed", "styled"],
)
async def test_a_run_succeeds_with_exactly_this_policy_and_names_what_is_missing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, manifest: str, saved: int, actions: list[str]
) -> None:
    (tmp_path / "more.csv").write_text("key,bucket\nb.jpg,second\n")
    job = parse_manifest(manifest, str(tmp_path / "job.yaml"), NOW)
    policy = await permissions(job, results="./results", can_look=True)
    assert await run_with(policy, manifest, tmp_path_factory.mktemp("whole")) == (0, saved, "")
    parts = list(without_each_part(policy))
    assert [action for action, _ in parts] == actions
    for action, less in parts:
        code, some, said = await run_with(less, manifest, tmp_path_factory.mktemp("less"))
        assert action in said, (action, said)
        assert (code, some) == (0, saved) if action == "oss:GetBucketInfo" else (code != 0 and some < saved), action


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("oss:ListObjects", "source"),
        ("oss:GetObject", "source"),
        ("oss:PostProcessTask", "probe"),
        ("oss:PutObject", "probe"),
        ("oss:GetStyle", "style"),
        ("oss:DeleteObject", "probe"),
    ],
)
async def test_check_names_the_right_that_is_missing(tmp_path: Path, missing: str, name: str) -> None:
    actions = ["oss:ListObjects", "oss:GetObject", "oss:PostProcessTask", "oss:PutObject", "oss:GetBucketInfo"]
    allowed = [action for action in (*actions, "oss:DeleteObject", "oss:GetStyle") if action != missing]
    policy = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    job = parse_manifest(STYLED.replace("objects: [in/a.jpg]", "prefix: in/"), "job.yaml", NOW)
    kept = store()
    async with LocalOSS(kept, access=access_of(policy, tmp_path)) as server:
        settings, _ = load_settings(None, str(tmp_path / "config.yaml"), {}, {"--endpoint": server.url})
        environ = {"OSS_ACCESS_KEY_ID": "limited", "OSS_ACCESS_KEY_SECRET": SECRET}
        found = await preflight(job, settings, environ, lambda *_, **__: None, probes=True)
    wrong = [check for check in found.checks if check.status == "wrong"]
    assert (found.exit, wrong[0].name) == (77, name)
    assert missing in wrong[0].message + wrong[0].mend
    # Nothing is left behind but what may not be deleted.
    assert len(list(kept.keys("renditions", "", b""))) == (missing == "oss:DeleteObject")

"""`policy`: with what it prints a run succeeds, and without any part of it the run says what is missing."""

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.e2e.desk import Desk
from tests.emulator.pictures import jpeg
from worker.emulator.folder_store import FolderStore
from worker.oss.encoding import to_base64

MANIFEST = f"""\
version: 1
job: least
bucket: photos
sources:
  - prefix: in/
  - csv: more.csv
existing: skip
pipelines:
  - name: small
    process: image/resize,w_40/watermark,image_{to_base64("marks/logo.jpg")}
    target: {{bucket: renditions, key: "small/{{bucket}}/{{key}}"}}
  - name: own
    process: image/resize,w_30
    target: {{key: "own/{{key}}"}}
"""
STYLED = MANIFEST.replace("  - csv: more.csv\n", "") + (
    '  - {name: styled, style: tiny, revision: auto, target: {bucket: renditions, key: "styled/{bucket}/{key}.jpg"}}\n'
)


def pictures(desk: Desk) -> None:
    desk.write("oss/photos/in/a.jpg", jpeg(80, 60))
    desk.write("oss/photos/marks/logo.jpg", jpeg(8, 6))
    desk.write("oss/second/b.jpg", jpeg(80, 60))
    desk.write("oss/second/marks/logo.jpg", jpeg(8, 6))
    (desk.path / "oss/renditions").mkdir()
    desk.write("more.csv", "key,bucket\nb.jpg,second\n")
    FolderStore(desk.path / "oss").put_style("photos", "tiny", "image/resize,w_20")


def without_each_part(policy: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policy without each action of each statement in turn; a statement without actions is no statement."""
    for number, statement in enumerate(policy["Statement"]):
        for action in statement["Action"]:
            less = deepcopy(policy)
            less["Statement"][number]["Action"].remove(action)
            less["Statement"] = [one for one in less["Statement"] if one["Action"]]
            yield action, less


async def proved(desk: Desk, manifest: str, saved: int) -> list[str]:
    """Run with the policy, and without each action of it; the actions that were found missing."""
    desk.set_up("http://127.0.0.1:9", manifest)
    printed = await desk.run("policy", "job.yaml", environ={})
    assert (printed.code, printed.err) == (0, "")
    policy = printed.json
    parts = list(without_each_part(policy))
    keys = [{"id": "whole", "secret": "made-up-secret", "policies": [policy]}]
    keys += [
        {"id": f"less{number}", "secret": "made-up-secret", "policies": [less]}
        for number, (_, less) in enumerate(parts)
    ]
    desk.write("policies.json", json.dumps({"version": 1, "keys": keys}))
    process = await desk.start("serve", "--root", "oss", "--policies", "policies.json")
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().removeprefix("listening on ").strip()
    desk.set_up(url, manifest)

    async def run(key: str) -> tuple[int, int, str]:
        for folder in ("renditions/small", "renditions/styled", "photos/own", "second/own"):
            shutil.rmtree(desk.path / "oss" / folder, ignore_errors=True)
        environ = {"OSS_ACCESS_KEY_ID": key, "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
        ended = await desk.run("run", "job.yaml", "--results", f"r-{key}", "--json", environ=environ)
        lines = "".join(path.read_text() for path in desk.path.glob(f"r-{key}/**/*.jsonl"))
        return ended.code, ended.json.get("saved", 0), ended.out + ended.err + lines

    assert (await run("whole"))[:2] == (0, saved)
    for number, (action, _) in enumerate(parts):
        code, some, said = await run(f"less{number}")
        assert action in said, (action, said)
        assert (code, some) == (0, saved) if action == "oss:GetBucketInfo" else (code != 0 and some < saved), action
    return [action for action, _ in parts]


async def test_a_run_succeeds_with_exactly_this_policy_and_names_what_is_missing(desk: Desk) -> None:
    pictures(desk)
    assert await proved(desk, MANIFEST, 4) == [
        "oss:GetObject",
        "oss:PostProcessTask",
        "oss:GetObject",  # the watermark image
        "oss:PutObject",
        "oss:GetObject",  # targets that may exist
        "oss:ListObjects",
        "oss:GetBucketInfo",
    ]


async def test_so_it_does_where_a_pipeline_follows_a_style(desk: Desk) -> None:
    pictures(desk)
    assert (await proved(desk, STYLED, 3))[-1] == "oss:GetStyle"


async def test_a_policy_needs_no_settings_and_no_service(desk: Desk) -> None:
    pictures(desk)
    desk.write("job.yaml", MANIFEST)
    plain = await desk.run("policy", "job.yaml", environ={})
    assert plain.out == (await desk.run("policy", "job.yaml", "--json", environ={})).out
    resources = [resource for statement in plain.json["Statement"] for resource in statement["Resource"]]
    assert "acs:oss:*:*:second/*" in resources
    (desk.path / "more.csv").unlink()
    missing = await desk.run("policy", "job.yaml", environ={})
    assert (missing.code, missing.out) == (64, "")
    assert "job.yaml:6:" in missing.err
    desk.write("job.yaml", MANIFEST.replace("more.csv", "'-'"))
    unknown = await desk.run("policy", "job.yaml", environ={})
    assert unknown.code == 64
    assert "standard input may name any bucket" in unknown.err

"""The JSON Schemas: those of the code, and in agreement with what the worker takes and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.e2e import desk
from tests.schemas import _ACTIONS, _ENTRY, _PIPELINE, _SETTINGS, SCHEMAS, path_of, problems, written
from tests.unit.golden import cases
from tests.unit.test_manifest import WHOLE
from worker.batch.record import ErrorRecord, Record, SourceRecord, Status, TargetRecord, encode

ROOT = Path(__file__).parents[1]
COMMENT = "# yaml-language-server: $schema=../docs/schema/manifest.schema.json"
JOBS = sorted((ROOT / "jobs").glob("*.yaml"))
# Wrong manifests that an editor can tell are wrong, without knowing the rules that join their parts.
SEEN = (
    "a list instead of a mapping",
    "nothing but a version",
    "unknown keys",
    "wrong values at the top",
    "empty lists",
    "an entry that is a text",
    "an entry without a kind",
    "an entry that names nothing known",
    "an entry of two kinds",
    "filters on a list",
    "values left out",
    "objects that are one text",
    "a bucket of an entry",
    "a pipeline that is wrong in every part",
    "a pipeline without anything",
    "a pipeline without a recipe",
    "two recipes",
    "a format without a style",
    "a style that cannot be",
    "a target that is a text",
    "no actions",
    "actions of the wrong shape",
    "actions that do not exist, or not so",
    "values of actions out of range",
    "mistakes everywhere at once",
)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_those_of_the_code(name: str) -> None:
    assert path_of(name).read_text("utf-8") == written(name), "run `make docs`"
    Draft202012Validator.check_schema(SCHEMAS[name]())


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_name_is_described(name: str) -> None:
    def described(node: Any) -> bool:
        if isinstance(node, list):
            return all(map(described, node))
        if not isinstance(node, dict):
            return True
        own = all("description" in inner or "$ref" in inner for inner in node.get("properties", {}).values())
        return own and all(map(described, node.values()))

    schema = SCHEMAS[name]()
    schema.pop("$defs", None)  # parts of a line of the log: told where they are used
    assert described(schema)


def test_nothing_is_described_that_does_not_exist() -> None:
    names = json.dumps(SCHEMAS["manifest"]()) + json.dumps(SCHEMAS["settings"]())
    for table in (_ENTRY, _PIPELINE, _ACTIONS, _SETTINGS):
        assert all(f'"{name.rpartition(".")[2]}": {{"description"' in names for name in table)


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_jobs_name_their_schema_and_fit_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.splitlines()[0] == COMMENT
    assert problems("manifest", text) == []


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        desk.MANIFEST,
        (ROOT / "README.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0],
        (ROOT / "docs/manifest.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0],
        *(case.text for case in cases("advice.txt")),
    ],
)
def test_right_manifests_fit_the_schema(text: str) -> None:
    assert problems("manifest", text) == []


def test_fields_numbers_and_leading_zeros_fit_the_schema() -> None:
    text = (
        "version: 1\njob: 2026\nbucket: 123\nsources:\n  - {csv: a.csv, columns: [key, 1]}\npipelines:\n"
        "  - name: 7\n    actions: [{resize: {w: '{row.w}', limit: 0, h: '100', color: 000000, m: pad}},"
        " {rotate: '{row.r}'}, {watermark: {text: 2026, color: 1E1E1E, type: '{row.font}'}}, {format: webp}]\n"
        "    revision: 3\n    target: {key: 'a/{key}.{ext}'}\n"
    )
    assert problems("manifest", text) == []


@pytest.mark.parametrize("title", SEEN)
def test_wrong_manifests_do_not_fit_the_schema(title: str) -> None:
    (text,) = (case.text for case in cases("manifests.txt") if case.title == title)
    assert problems("manifest", text)


def test_the_settings_that_are_shipped_fit_the_schema() -> None:
    assert problems("settings", (ROOT / "config.yaml").read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "endpont: local",
        "limits: {concurrency: 0}",
        "limits: 3",
        "retry: {max_attempts: many}",
        "timeout: {total_s: 0}",
        "failure: {per_code: {ImageDamage: 2}}",
        "access_key_secret: x",
        "signature: v2",
    ],
)
def test_wrong_settings_do_not_fit_the_schema(text: str) -> None:
    assert problems("settings", text)


def line(**changes: Any) -> str:
    record = Record(
        schema=1,
        task="0" * 32,
        status=Status.FAILED,
        job="nightly",
        run="20261122T233400Z-7f3a",
        shard="0/1",
        pipeline="thumb",
        source=SourceRecord("photos", "a.jpg", "AB", 12),
        process="image/resize,w_1",
        target=TargetRecord("out", "a.jpg"),
        attempts=1,
        tries={"Timeout": 1},
        request_id="",
        duration_ms=1.5,
        at="2026-11-22T23:34:00.123Z",
        error=ErrorRecord("Timeout", 0, "", "", permanent=False),
        touched=False,
    )
    return json.dumps(json.loads(encode(record)) | changes)


def test_lines_of_the_log_fit_the_schema() -> None:
    assert problems("result", line()) == []
    assert problems("result", line(task=None, target=None, later="field")) == []


@pytest.mark.parametrize(
    "changes", [{"task": "x"}, {"status": "done"}, {"at": "yesterday"}, {"attempts": "1"}, {"source": {"key": "a"}}]
)
def test_other_lines_do_not_fit_the_schema(changes: dict[str, Any]) -> None:
    assert problems("result", line(**changes))

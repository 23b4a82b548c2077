"""Any keys, in any kind of source, through any templates: no count is lost, no proof is wrong, no alarm is false."""

import asyncio
import csv
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.inventories import delivered, row
from tests.stand_in import StandIn
from tests.unit.sources.bucket import Bucket
from tests.unit.sources.jobs import manifest
from worker.batch.manifest import Manifest
from worker.batch.planner import BadTask, PlannedTask
from worker.batch.proof import apart, collision_free
from worker.batch.selection import SourceObject
from worker.batch.task import Shard
from worker.batch.template import BadValue
from worker.connection import connect
from worker.dispatch.stopping import Stop
from worker.errors import UsageError
from worker.oss.names import ObjectRef, key_problem
from worker.planning import plan_tasks
from worker.settings import Limits, Settings
from worker.sources.enumeration import Enumeration
from worker.sources.files import Files
from worker.sources.proving import Proof

ENVIRON = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
KINDS = ("prefix", "objects", "list", "csv", "jsonl", "parquet", "inventory")
# Few names, so that they meet again and in one another's way.
NAMES = st.text("ab.", min_size=1, max_size=3)
KEYS = st.builds(
    lambda above, name, extension: "/".join([*above, name]) + extension,
    st.lists(NAMES, max_size=2),
    NAMES,
    st.sampled_from([".jpg", ".png", ".JPG", ".jpeg", ".txt", "", "/"]),
)
TEMPLATES = (
    "{key}",
    "{dir}/{stem}.{ext}",
    "{dir}/{stem}",
    "{name}",
    "{hash}",
    "{dir}/{stem}_1.{ext}",
    "{key}.{format}",
)


@dataclass
class Written:
    """Keys in a source of some kind: the line of the manifest, the files beside it, and what the bucket holds."""

    line: str
    files: dict[str, bytes] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)


def written(kind: str, keys: list[str]) -> Written:
    match kind:
        case "prefix":
            return Written('prefix: ""', listed=set(keys))
        case "objects":
            return Written(f"objects: {json.dumps(keys)}")
        case "list":
            return Written("list: keys", {"keys": "".join(f"{key}\n" for key in keys).encode()})
        case "csv":
            text = io.StringIO()
            csv.writer(text).writerows([["key"], *([key] for key in keys)])
            return Written("csv: keys", {"keys": text.getvalue().encode()})
        case "jsonl":
            lines = "".join(json.dumps({"key": key}) + "\n" for key in keys)
            return Written("{jsonl: keys, columns: [key]}", {"keys": lines.encode()})
        case "parquet":
            file = io.BytesIO()
            pq.write_table(pa.table({"key": pa.array(keys, pa.string())}), file)
            return Written("parquet: keys", {"keys": file.getvalue()})
        case _:
            inventory = delivered([row(key) for key in keys])
            files = {key.rpartition("/")[2]: content for key, content in inventory.objects.items()}
            return Written("inventory: manifest.json", files)


@dataclass
class Planned:
    """All tasks of a plan, and what was counted."""

    items: list[PlannedTask | BadTask]
    counts: Enumeration


def planned(job: Manifest, listed: Iterable[str] = (), max_tasks: int | None = None) -> Planned:
    """The plan of a job against a stand-in for OSS, which is never sent a POST."""

    async def main() -> Planned:
        buckets = {"photos": dict.fromkeys(listed, "E"), "renditions": dict[str, str]()}
        async with StandIn(buckets) as server:
            try:
                limits = Limits(requests_per_second=10_000)
                settings = Settings(endpoint=server.url, limits=limits)
                async with (
                    connect(settings, ENVIRON, Stop(), 1, lambda *_, **__: None) as connection,
                    plan_tasks(job, settings, Shard(0, 1), connection, max_tasks) as plan,
                ):
                    return Planned([item async for item in plan.tasks], plan.enumeration)
            finally:
                assert not server.counts["POST"]

    return asyncio.run(main())


def proven(job: Manifest) -> Planned:
    """The tasks of a job without filters, as a plan gives them: only once it is proven that no two share a target."""

    async def main() -> Planned:
        counts = Enumeration(job, Shard(0, 1), Bucket(), Files(Bucket()), ())
        if collision_free(job) and apart(job):
            return Planned([item async for item in counts.streamed()], counts)
        with Proof([], apart=apart(job)) as spool:
            await spool.fill(counts)
            return Planned([item async for item in spool.tasks()], counts)

    return asyncio.run(main())


def pipelines(*targets: str) -> str:
    """A pipeline for each template, all into one bucket."""
    line = "  - {{name: p{0}, process: 'image/resize,w_{0}', target: {{bucket: renditions, key: '{1}'}}}}\n"
    return "pipelines:\n" + "".join(line.format(number, key) for number, key in enumerate(targets, 1))


def rendered(job: Manifest, keys: list[str]) -> list[tuple[ObjectRef, str, str]]:
    """Target, source and pipeline of every task, tasks that are met again included; bad rows left out."""
    found = []
    for key in keys:
        for pipeline in job.pipelines:
            with suppress(BadValue):
                found.append((pipeline.render(job.job, SourceObject("photos", key))[1], key, pipeline.name))
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(keys=st.lists(KEYS, max_size=12), by_spool=st.booleans())
@settings(max_examples=8)
def test_no_count_is_lost_whatever_the_keys_and_wherever_they_stand(kind: str, keys: list[str], by_spool: bool) -> None:
    if kind == "objects":
        keys = [key for key in keys if not key_problem(key)] or ["a.jpg"]
    source = written(kind, keys)
    with tempfile.TemporaryDirectory() as name:
        for path, content in source.files.items():
            (Path(name) / path).write_bytes(content)
        job = manifest(source.line, pipelines("one/{key}", "two/{key}"), Path(name))
        plan = planned(job, source.listed, max_tasks=1000 if by_spool else None)
    found, counts = plan.items, plan.counts
    met = set(keys) if kind == "prefix" else keys
    assert counts.listed == counts.selected + counts.not_selected.total() == len(met)
    assert len(found) + counts.duplicates == 2 * counts.selected
    tasks = [item for item in found if isinstance(item, PlannedTask)]
    targets = Counter(item.task.target for item in tasks)
    assert set(targets.values()) <= {1}
    judged_whole = kind in {"prefix", "inventory"}
    for key in keys:
        if not judged_whole or re.fullmatch(r".*[^/]\.(jpe?g|png)", key, re.IGNORECASE):
            assert (ObjectRef("renditions", f"one/{key}") in targets) == (not key_problem(key)), key
    bad = [item for item in found if isinstance(item, BadTask)]
    if not judged_whole:
        assert len(bad) == 2 * sum(1 for key in keys if key_problem(key))


@given(
    keys=st.lists(KEYS.filter(lambda key: not key_problem(key)), min_size=1, max_size=8),
    targets=st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=2),
    told_apart=st.booleans(),
)
@examples(200)
def test_a_plan_is_refused_if_and_only_if_two_tasks_share_a_target(
    keys: list[str], targets: list[str], told_apart: bool
) -> None:
    named = [f"{{pipeline}}/{target}" if told_apart else target for target in targets]
    try:
        job = manifest(f"objects: {json.dumps(keys)}", pipelines(*named))
    except UsageError as error:  # refused as it is written: what is alike, and keys that no pipeline can take
        reasons = {problem.reason for problem in error.problems}
        assert not told_apart or all("cannot go through the pipeline" in reason for reason in reasons)
        return
    tasks = rendered(job, keys)
    different = set(tasks)
    if len({target for target, _, _ in tasks}) < len(different):
        with pytest.raises(UsageError, match="two tasks write"):
            proven(job)
        return
    plan = proven(job)
    good = [item for item in plan.items if isinstance(item, PlannedTask)]
    assert {(item.task.target, item.task.source.key, item.task.pipeline) for item in good} == different
    assert len(good) == len(different)
    assert plan.counts.duplicates == len(tasks) - len(different)
    assert len(plan.items) - len(good) == len(keys) * len(targets) - len(tasks)

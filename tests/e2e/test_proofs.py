"""Runs over any keys: where two tasks share a target, or a target is a source, nothing is ever processed."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.stand_in import StandIn
from tests.unit.sources.jobs import manifest
from tests.unit.sources.test_plans import ENVIRON, KEYS, TEMPLATES, rendered, written
from worker.batch.manifest import Manifest
from worker.batch.task import Shard
from worker.errors import UsageError
from worker.oss.names import key_problem
from worker.run import RunOptions, run_job
from worker.settings import Limits, Settings
from worker.snapshot import Snapshot

OPTIONS = RunOptions(run="20261122T233400Z-7f3a", proc="00c0ffee", shard=Shard(0, 1), parallelism=1)


def observe(_: Callable[[], Snapshot]) -> nullcontext[None]:
    return nullcontext()


def posts(job: Manifest, keys: list[str], directory: Path, max_tasks: int | None) -> int | None:
    """How many POSTs a run sent; None where it was refused, and sent none."""

    async def main() -> int | None:
        async with StandIn({"photos": dict.fromkeys(keys, "E"), "renditions": {}}) as server:
            given = Settings(
                endpoint=server.url, results=str(directory / "results"), limits=Limits(requests_per_second=10_000)
            )
            options = replace(OPTIONS, max_tasks=max_tasks)
            try:
                await run_job(job, given, options, ENVIRON, observe, lambda *_, **__: None)
            except UsageError:
                assert not server.counts["POST"]
                return None
            return server.counts["POST"]

    return asyncio.run(main())


@given(
    kind=st.sampled_from(["list", "csv", "jsonl", "parquet"]),
    keys=st.lists(KEYS.filter(lambda key: not key_problem(key)), min_size=1, max_size=6),
    targets=st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=2, unique=True),
    bucket=st.sampled_from(["photos", "renditions"]),
    by_spool=st.booleans(),
)
@example(kind="csv", keys=["a.jpg", "a.png"], targets=["{dir}/{stem}"], bucket="renditions", by_spool=False)
@example(kind="csv", keys=["a.jpg"], targets=["{dir}/{stem}", "{key}.{format}"], bucket="renditions", by_spool=True)
@example(kind="list", keys=["a.jpg", "a_1.jpg"], targets=["{dir}/{stem}_1.{ext}"], bucket="photos", by_spool=False)
@example(kind="jsonl", keys=["a.jpg", "b.png"], targets=["{key}"], bucket="renditions", by_spool=False)
@settings(max_examples=40)
def test_never_a_post_when_a_proof_fails_and_one_for_each_target_when_it_holds(
    kind: str, keys: list[str], targets: list[str], bucket: str, by_spool: bool
) -> None:
    source = written(kind, keys)
    line = "  - {{name: p{0}, process: 'image/resize,w_{0}', target: {{bucket: {1}, key: '{2}'}}}}\n"
    text = "pipelines:\n" + "".join(line.format(number, bucket, key) for number, key in enumerate(targets, 1))
    with tempfile.TemporaryDirectory() as name:
        for path, content in source.files.items():
            (Path(name) / path).write_bytes(content)
        try:
            job = manifest(source.line, text, Path(name))
        except UsageError:  # certain from the manifest alone: nothing was there to send anything
            return
        tasks = set(rendered(job, keys))
        written_to = {target for target, _, _ in tasks}
        read = {("photos", key) for key in keys}
        proven = len(written_to) == len(tasks) and not any((target.bucket, target.key) in read for target in written_to)
        assert posts(job, keys, Path(name), 1000 if by_spool else None) == (len(tasks) if proven else None)

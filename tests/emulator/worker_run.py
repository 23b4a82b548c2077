"""The real worker, run in this process against a local OSS: its summary and the lines of its log."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.results.records import read_records
from worker.batch.reader import parse_manifest
from worker.batch.record import Record
from worker.batch.task import Shard
from worker.oss.signing import Credentials
from worker.results.directory import DirectoryStore
from worker.run import RunOptions, run_job
from worker.settings.loading import load_settings
from worker.snapshot import Snapshot
from worker.summary import Summary

SETTINGS = """
timeout: {connect_s: 5, total_s: 5}
retry: {max_attempts: 3, base_delay_s: 0.01, max_delay_s: 0.05, task_deadline_s: 20}
limits: {requests_per_second: 500, concurrency: 4}
"""
MANIFEST = """
version: 1
job: test
bucket: photos
sources:
  - SOURCES
pipelines:
  - name: small
    process: image/resize,w_20
    target: {bucket: renditions, key: "out/{key}"}
"""


@dataclass(frozen=True)
class Ran:
    summary: Summary
    records: list[Record]

    def codes(self) -> dict[str, str]:
        """By the key of each source: `saved`, or the code of its failure."""
        return {record.source.key: record.error.code if record.error else str(record.status) for record in self.records}


async def run_worker(
    url: str,
    directory: Path,
    keys: Credentials,
    *,
    sources: str = "objects: [a.jpg]",
    settings: str = SETTINGS,
    manifest: str = MANIFEST,
    run: str = "run-1",
) -> Ran:
    environ = {
        "OSS_ACCESS_KEY_ID": keys.access_key_id,
        "OSS_ACCESS_KEY_SECRET": keys.access_key_secret,
        "OSS_SESSION_TOKEN": keys.security_token,
    }
    flags = {"--endpoint": url, "--region": "cn-hangzhou", "--results": str(directory / "results")}
    loaded, _ = load_settings(settings, str(directory / "config.yaml"), environ, flags)
    job = parse_manifest(manifest.replace("SOURCES", sources), str(directory / "job.yaml"), datetime.now(UTC))
    options = RunOptions(run=run, proc="0" * 8, shard=Shard(0, 1), parallelism=1)
    summary = await run_job(job, loaded, options, environ, _unobserved, lambda *_, **__: None)
    records: list[Record] = []
    await read_records(DirectoryStore(directory / "results/test"), records.append, lambda _: None)
    return Ran(summary, records)


@asynccontextmanager
async def _unobserved(snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    yield

"""Reads a manifest: YAML text to a `Manifest`, or every problem it has."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict

from worker.batch import document, proof
from worker.batch.advice import on_extensions
from worker.batch.entry import Source, TableSource, is_standard_input
from worker.batch.entry_reader import EntryReader
from worker.batch.findings import GIVEN, Findings, MendableError, check_bucket, checked, in_order, shown
from worker.batch.manifest import Existing, Manifest
from worker.batch.named import named_problems
from worker.batch.pipeline import Pipeline, PipelineReader
from worker.errors import UsageError

VERSION = 1
_JOB = re.compile(r"[a-z0-9-]{1,47}", re.ASCII)


def _check_version(value: str) -> None:
    if value != str(VERSION):
        raise MendableError(f"version {shown(value)} is not known", f"this program reads version {VERSION}")


def _check_job(value: str) -> None:
    if not _JOB.fullmatch(value):
        raise MendableError(f"{shown(value)} is no name of a job", "use 1 to 47 of a-z, 0-9 and '-'")


@dataclass(frozen=True, slots=True)
class _Manifest:
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")
    version: Annotated[str, checked(_check_version)]
    job: Annotated[str, checked(_check_job)]
    sources: tuple[Any, ...]
    pipelines: tuple[Any, ...]
    bucket: Annotated[Annotated[str, checked(check_bucket)] | None, GIVEN] = None
    existing: Existing = "replace"
    allow: tuple[Literal["target-in-source"], ...] = ()


def parse_manifest(text: str, file: str, now: datetime) -> Manifest:
    """Read a manifest. `now` is the start of the run, with its zone: durations count back from it.

    Raises:
        UsageError: It is wrong; with every problem found, in the order of the file.
    """
    findings = Findings(document.parse(text, file))
    shape = findings.check(_Manifest)
    bucket = findings.document.get(("bucket",))
    default_bucket = bucket if isinstance(bucket, str) else ""
    sources = EntryReader(findings, default_bucket, now).read()
    pipelines = PipelineReader(findings).read()
    _check_names(findings, pipelines)
    _check_standard_input(findings, sources)
    for name in ("sources", "pipelines"):
        if findings.document.get((name,)) == []:
            findings.add((name,), f"{name!r} is empty", "add an entry, as `- ...`")
    findings.raise_all()
    assert shape is not None  # otherwise there are findings
    manifest = Manifest(
        file,
        shape.job,
        default_bucket,
        sources,
        pipelines,
        shape.existing,
        frozenset(shape.allow),
        _digest(findings),
        advice=tuple(in_order([*findings.advice, *on_extensions(pipelines, sources)])),
    )
    if problems := proof.problems(manifest) or named_problems(manifest):
        raise UsageError(in_order(problems))
    return manifest


def with_columns(manifest: Manifest, index: int, columns: Sequence[str]) -> Manifest:
    """The manifest with the columns of the table of source entry `index`, as the file itself names them.

    Raises:
        UsageError: They cannot be columns, or one is missing that a pipeline or the entry needs.
    """
    if problems := proof.column_problems(manifest, index, tuple(columns)):
        raise UsageError(in_order(problems))
    entry = manifest.sources[index]
    assert isinstance(entry, TableSource)
    sources = list(manifest.sources)
    sources[index] = replace(entry, columns=tuple(columns))
    return replace(manifest, sources=tuple(sources))


def _check_names(findings: Findings, pipelines: Sequence[Pipeline]) -> None:
    first: dict[str, Pipeline] = {}
    for pipeline in pipelines:
        other = first.setdefault(pipeline.name, pipeline)
        if other is not pipeline:
            reason = f"the name {pipeline.name!r} stands twice"
            problem = pipeline.place.problem(reason, f"name it otherwise: the first is in line {other.place.line}")
            findings.problems.append(problem)


def _check_standard_input(findings: Findings, sources: Sequence[Source]) -> None:
    readers = list(filter(is_standard_input, sources))
    for entry in readers[1:]:
        reason = "standard input is read once, and another entry does"
        findings.problems.append(
            entry.place.problem(reason, f"name a file: the first is in line {readers[0].place.line}")
        )


def _digest(findings: Findings) -> str:
    """The sha256 of the content as JSON with sorted keys, aliases and merges resolved."""
    return hashlib.sha256(
        json.dumps(findings.document.data, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()

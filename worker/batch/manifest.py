"""The manifest as a value: which source objects go through which pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from worker.batch.entry import Source, TableSource
from worker.batch.pipeline import Pipeline
from worker.errors import Problem
from worker.oss.endpoint import Site

Existing = Literal["replace", "skip", "fail"]
TARGET_IN_SOURCE = "target-in-source"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One job. `digest` is the sha256, in hex, of its content: comments and layout do not count.

    `existing` is what happens to targets that this job's log does not know; `bucket` is empty where none is given.
    `advice` is what is right, but hardly meant.
    """

    file: str
    job: str
    bucket: str
    sources: tuple[Source, ...]
    pipelines: tuple[Pipeline, ...]
    existing: Existing
    allow: frozenset[str]
    digest: str
    version: int = 1
    advice: tuple[Problem, ...] = ()

    @property
    def source_buckets(self) -> frozenset[str] | None:
        """The buckets that sources come from; None while a table may name others."""
        if any(isinstance(entry, TableSource) and entry.may_name_buckets for entry in self.sources):
            return None
        return frozenset(entry.bucket for entry in self.sources)

    @property
    def sites(self) -> Mapping[str, Site]:
        """Where the buckets are that are not where the settings say."""
        return {
            pipeline.target_bucket: pipeline.site
            for pipeline in self.pipelines
            if pipeline.target_bucket and pipeline.site
        }

    @property
    def relayed(self) -> frozenset[str]:
        """The names of the pipelines whose results are relayed."""
        return frozenset(pipeline.name for pipeline in self.pipelines if pipeline.save == "relay")

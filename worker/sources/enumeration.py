"""Enumeration: everything a manifest's sources hold, selected, planned and counted, as one stream."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from worker.batch.digests import DigestSet
from worker.batch.entry import InventorySource, ListSource, ObjectsSource, PrefixSource, Source, TableSource
from worker.batch.manifest import Manifest
from worker.batch.planner import BadSource, BadTask, PlannedTask, plan_source
from worker.batch.selection import Extensions, NotSelected, SourceObject, not_selected
from worker.batch.task import Shard
from worker.oss.names import ObjectRef
from worker.sources.asking import Ask
from worker.sources.files import Files
from worker.sources.inventory import read_inventory, rows_of_inventory
from worker.sources.jsonl import rows_of_jsonl
from worker.sources.listing import listed_objects
from worker.sources.paging import in_thread, paged
from worker.sources.parquet import rows_of_parquet
from worker.sources.tables import rows_of_csv, rows_of_list

Planned = PlannedTask | BadTask
# Where nothing has to be waited for, signals and the results log get their turn every so many sources.
_TURN = 100


class Enumeration:
    """One reading of a manifest's sources. The counts grow while the stream is read.

    `manifest` is what is read. `listed` = `selected` + all of `not_selected`; `other_extensions` are those of keys that
    are no images; `duplicates` counts tasks that were met again; `empty` are the entries that selected nothing though
    they should have.
    """

    def __init__(
        self, manifest: Manifest, shard: Shard, ask: Ask, files: Files, own_targets: Sequence[ObjectRef]
    ) -> None:
        self.manifest = manifest
        self._shard = shard
        self._ask = ask
        self._files = files
        self._own_targets = own_targets
        self.listed = 0
        self.selected = 0
        self.not_selected: Counter[NotSelected] = Counter()
        self.other_extensions = Extensions()
        self.duplicates = 0
        self.empty: list[Source] = []
        self._streamed: dict[str, DigestSet] = {}

    async def planned(self) -> AsyncGenerator[tuple[SourceObject | BadSource, list[Planned]], None]:
        """Each selected source, in the manifest's order, with its tasks of this shard.

        Raises:
            UsageError: A file cannot be read.
            WorkerError: A prefix cannot be listed.
        """
        for entry in self.manifest.sources:
            before = self.selected
            async with aclosing(self._found(entry)) as found:
                async for source in found:
                    self.listed += 1
                    if self.listed % _TURN == 0:
                        await asyncio.sleep(0)
                    if isinstance(source, SourceObject) and (reason := not_selected(source, entry, self._own_targets)):
                        self.not_selected[reason] += 1
                        if reason is NotSelected.NOT_AN_IMAGE:
                            self.other_extensions.add(source.key)
                        continue
                    self.selected += 1
                    yield source, plan_source(source, entry, self.manifest, self._shard)
            if self.selected == before and entry.empty == "fail":
                self.empty.append(entry)

    async def streamed(self) -> AsyncGenerator[Planned, None]:
        """The tasks alone, each once. Only where the templates are proven to give every task a target of its own."""
        # Apart by pipeline: no two of them share a target, and so it is known which pipeline writes one.
        self._streamed = {pipeline.name: DigestSet() for pipeline in self.manifest.pipelines}
        async with aclosing(self.planned()) as sources:
            async for _, planned in sources:
                for item in planned:
                    if isinstance(item, PlannedTask) and not self._streamed[item.task.pipeline].add(item.digest):
                        self.duplicates += 1
                        continue
                    yield item

    def writer_of(self, target: bytes) -> str | None:
        """The pipeline that writes a target, by its digest, as far as tasks were streamed; None where none does."""
        return next((pipeline for pipeline, targets in self._streamed.items() if target in targets), None)

    def _found(self, entry: Source) -> AsyncGenerator[SourceObject | BadSource, None]:
        match entry:
            case PrefixSource():
                return _listed(self._ask, entry)
            case ObjectsSource():
                return _named(entry)
            case InventorySource():
                return self._inventoried(entry)
            case _:
                return self._filed(entry)

    async def _filed(self, entry: ListSource | TableSource) -> AsyncGenerator[SourceObject | BadSource, None]:
        file = await self._files.file_of(entry)
        used = frozenset[str]().union(*(pipeline.columns for pipeline in self.manifest.pipelines))
        rows = rows_of_list(entry, file) if isinstance(entry, ListSource) else _ROWS_OF[entry.form](entry, file, used)
        async with aclosing(paged(rows)) as found:
            async for source in found:
                yield source

    async def _inventoried(self, entry: InventorySource) -> AsyncGenerator[SourceObject | BadSource, None]:
        file = await self._files.file_of(entry)
        inventory = await in_thread(lambda: read_inventory(entry, file))
        for part in inventory.files:
            rows = await self._files.part_of(entry, inventory, part)
            async with aclosing(paged(rows_of_inventory(entry, inventory, part, rows))) as found:
                async for source in found:
                    yield source
            self._files.done_with(rows)


_ROWS_OF = {"csv": rows_of_csv, "jsonl": rows_of_jsonl, "parquet": rows_of_parquet}


async def _listed(ask: Ask, entry: PrefixSource) -> AsyncGenerator[SourceObject, None]:
    async with aclosing(listed_objects(ask, entry)) as objects:
        async for found in objects:
            yield SourceObject(entry.bucket, found.key, found.etag, found.size, found.modified, found.storage_class)


async def _named(entry: ObjectsSource) -> AsyncGenerator[SourceObject, None]:
    for key, place in zip(entry.keys, entry.places, strict=True):
        yield SourceObject(entry.bucket, key, place=str(place))

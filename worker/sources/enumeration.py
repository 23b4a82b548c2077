"""Enumeration: everything a manifest's sources hold, selected, planned and counted, as one stream."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

from worker.batch.digests import DigestSet
from worker.batch.entry import CsvSource, ListSource, ObjectsSource, PrefixSource, Source
from worker.batch.manifest import Manifest
from worker.batch.planner import BadSource, BadTask, PlannedTask, plan_source
from worker.batch.selection import NotSelected, SourceObject, not_selected
from worker.batch.task import Shard
from worker.oss.names import ObjectRef
from worker.sources.listing import Ask, listed_objects
from worker.sources.tables import rows_of_csv, rows_of_list

Planned = PlannedTask | BadTask


class Enumeration:
    """One reading of a manifest's sources. The counts grow while the stream is read.

    `listed` = `selected` + all of `not_selected`; `duplicates` counts tasks that were met again; `empty` are the
    entries that selected nothing though they should have.
    """

    def __init__(self, manifest: Manifest, shard: Shard, ask: Ask, own_targets: Sequence[ObjectRef]) -> None:
        self._manifest = manifest
        self._shard = shard
        self._ask = ask
        self._own_targets = own_targets
        self.listed = 0
        self.selected = 0
        self.not_selected: Counter[NotSelected] = Counter()
        self.duplicates = 0
        self.empty: list[Source] = []

    async def planned(self) -> AsyncIterator[tuple[SourceObject | BadSource, list[Planned]]]:
        """Each selected source, in the manifest's order, with its tasks of this shard.

        Raises:
            UsageError: A file cannot be read.
            WorkerError: A prefix cannot be listed.
        """
        for entry in self._manifest.sources:
            before = self.selected
            async for source in self._found(entry):
                self.listed += 1
                if isinstance(source, SourceObject) and (reason := not_selected(source, entry, self._own_targets)):
                    self.not_selected[reason] += 1
                    continue
                self.selected += 1
                yield source, list(plan_source(source, entry, self._manifest, self._shard))
            if self.selected == before and entry.empty == "fail":
                self.empty.append(entry)

    async def streamed(self) -> AsyncIterator[Planned]:
        """The tasks alone, each once. Only where the templates are proven to give every task a target of its own."""
        seen = DigestSet()
        async for _, planned in self.planned():
            for item in planned:
                if isinstance(item, PlannedTask) and not seen.add(item.digest):
                    self.duplicates += 1
                    continue
                yield item

    async def _found(self, entry: Source) -> AsyncIterator[SourceObject | BadSource]:
        if isinstance(entry, PrefixSource):
            async for found in listed_objects(self._ask, entry):
                yield SourceObject(entry.bucket, found.key, found.etag, found.size, found.modified, found.storage_class)
            return
        for source in _rows(entry):
            yield source


def _rows(entry: ObjectsSource | ListSource | CsvSource) -> Iterable[SourceObject | BadSource]:
    match entry:
        case ObjectsSource():
            return (
                SourceObject(entry.bucket, key, place=str(place))
                for key, place in zip(entry.keys, entry.places, strict=True)
            )
        case ListSource():
            return rows_of_list(entry)
        case CsvSource():
            return rows_of_csv(entry)

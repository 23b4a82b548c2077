"""Advice on a manifest: what no rule forbids, but its author can hardly mean."""

from collections.abc import Sequence

from worker.batch.entry import InventorySource, ObjectsSource, PrefixSource, Source
from worker.batch.pipeline import Pipeline
from worker.batch.recipe import has_style
from worker.batch.selection import IMAGE_EXTENSIONS
from worker.batch.template import Field, split_key
from worker.errors import Problem

_SPELLINGS = {"jpeg": "jpg", "tif": "tiff", "heif": "heic"}
_KEEPS_EXTENSION = frozenset({"key", "name"})


def on_extensions(pipelines: Sequence[Pipeline], sources: Sequence[Source]) -> list[Problem]:
    """A warning for each pipeline whose targets are named for another format than the one they hold."""
    formats = [_source_formats(entry) for entry in sources]
    known = None if None in formats else frozenset().union(*filter(None, formats))
    return [pipeline.key_place.warning(*found) for pipeline in pipelines if (found := _on_extension(pipeline, known))]


def _on_extension(pipeline: Pipeline, source_formats: frozenset[str] | None) -> tuple[str, str] | None:
    """Reason and mend; `source_formats` None is any format."""
    last, written = pipeline.target_key.parts[-1], pipeline.output_format
    if written is None and has_style(pipeline.process):
        return None
    if isinstance(last, Field):
        if last.name not in _KEEPS_EXTENSION or written is None or source_formats == frozenset({written}):
            return None
        reason = f"targets keep the extension of their sources, and hold {written}"
        return reason, f"end the key with {{{last.name}}}.{written}"
    named = _format_named(last)
    if named is None or named == written:
        return None
    if written is not None:
        return f"targets are named .{last.rpartition('.')[2]}, and hold {written}", "end the key with .{ext}"
    if source_formats == frozenset({named}):
        return None
    reason = f"targets are named .{last.rpartition('.')[2]}, and hold whatever format their sources have"
    return reason, f"end the recipe with the format {named}, or the key with .{{ext}}"


def _source_formats(entry: Source) -> frozenset[str] | None:
    """The formats that the sources of an entry are named for; None where any can be among them."""
    match entry:
        case PrefixSource() | InventorySource() if entry.filters.include:
            names = entry.filters.include
        case ObjectsSource():
            names = entry.keys
        case _:
            return None
    formats = [_format_named(name) for name in names]
    return None if None in formats else frozenset(filter(None, formats))


def _format_named(text: str) -> str | None:
    """The format of the extension that a text ends with."""
    extension = (split_key("-" + text)[2] or "").lower()  # also where the extension is all there is
    return _SPELLINGS.get(extension, extension) if extension in IMAGE_EXTENSIONS else None

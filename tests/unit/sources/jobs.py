"""Manifests for the tests of sources, read as any manifest is."""

from pathlib import Path

from tests.fakes import EPOCH
from worker.batch.entry import InventorySource, ListSource, PrefixSource, TableForm, TableSource
from worker.batch.manifest import Manifest
from worker.batch.reader import parse_manifest

PIPELINE = """\
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "small/{key}"}
"""


def manifest(sources: str, pipelines: str = PIPELINE, directory: Path | None = None, more: str = "") -> Manifest:
    """A manifest with these source entries, each a line of flow YAML."""
    entries = "".join(f"  - {line}\n" for line in sources.splitlines())
    text = f"version: 1\njob: copies\nbucket: photos\nsources:\n{entries}{pipelines}{more}"
    return parse_manifest(text, f"{directory}/job.yaml" if directory else "job.yaml", EPOCH)


def table(directory: Path, content: bytes, columns: str = "", form: TableForm = "csv") -> TableSource:
    (directory / f"keys.{form}").write_bytes(content)
    entry = manifest(f"{{{form}: keys.{form}{columns}}}", directory=directory).sources[0]
    assert isinstance(entry, TableSource)
    return entry


def inventory(path: str, filters: str = "") -> InventorySource:
    entry = manifest(f"{{inventory: '{path}'{filters}}}").sources[0]
    assert isinstance(entry, InventorySource)
    return entry


def keys(directory: Path, content: bytes) -> ListSource:
    (directory / "keys.txt").write_bytes(content)
    entry = manifest("list: keys.txt", directory=directory).sources[0]
    assert isinstance(entry, ListSource)
    return entry


def prefix(line: str = "prefix: in/") -> PrefixSource:
    entry = manifest(line).sources[0]
    assert isinstance(entry, PrefixSource)
    return entry

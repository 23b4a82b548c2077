"""Reading the sources of JSON lines: one object a line, each member a column. Values stay as they are written."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from worker.batch.entry import TableSource
from worker.batch.planner import BadSource, bad_source
from worker.batch.selection import SourceObject
from worker.sources.opening import LONGEST_LINE, File, lines, opened
from worker.sources.rows import needed_columns, source_of

_BOM = b"\xef\xbb\xbf"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def rows_of_jsonl(entry: TableSource, file: File, used: AbstractSet[str]) -> Iterator[SourceObject | BadSource]:
    """The rows of a file of JSON lines; `used` are the row columns.

    A number is the text it is written as (`1.50`), `true` and `false` are those words, null is no value. A list or an
    object can only stand in a column that nobody uses.

    Raises:
        UsageError: The file cannot be read.
    """
    needed = needed_columns(entry, used)
    with opened(file) as content:
        for number, line in enumerate(lines(content), 1):
            place = f"{file.name}:{number}"
            try:
                fields = _fields(line.removeprefix(_BOM) if number == 1 else line, needed)
            except (ValueError, RecursionError) as error:  # msgspec's, and Unicode's
                yield bad_source(entry.bucket, "", place, f"the row is not JSON: {error}")
            else:
                yield source_of(entry, place, fields)


def _fields(line: bytes, needed: tuple[str, ...]) -> Mapping[str, str | None]:
    if len(line) == LONGEST_LINE:
        message = f"it is longer than {LONGEST_LINE - 1:,} bytes"
        raise ValueError(message)
    line.decode()  # what is skipped has to be text, too
    members = _OBJECT.decode(line)
    return {name: _value(name, bytes(members[name])) for name in needed if name in members}


def _value(name: str, written: bytes) -> str | None:
    match written[:1]:
        case b'"':
            return _TEXT.decode(written)
        case b"{" | b"[":
            message = f"the value of {name!r} is a list or an object, where a text or a number is due"
            raise ValueError(message)
        case b"n":
            return None
        case _ if name == "key":
            message = f"the key {written.decode()} is not a text"
            raise ValueError(message)
        case _:
            return written.decode()

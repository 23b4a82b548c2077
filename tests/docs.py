"""The tables and schemas of the documentation that come from the code. `python -m tests.docs` writes them anew."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.schemas import SCHEMAS, path_of, written
from worker.emulator.access.rights import RIGHTS
from worker.emulator.images.formats import FORMATS, Format
from worker.emulator.operations import OPERATIONS
from worker.errors import Exit
from worker.oss.actions import ACTIONS
from worker.oss.codes import CODES
from worker.oss.parameter import ActionSpec, Evidence, Kind, Parameter
from worker.telemetry.explanation import explanation

_DOCS = Path(__file__).parents[1] / "docs"
LOCAL_OSS, CODE_TABLE = _DOCS / "local-oss.md", _DOCS / "codes.md"


def actions() -> Iterator[str]:
    """A row for each action, followed by one for each of its parameters."""
    yield "| action | parameter | values | default | known from | notes |"
    yield "|---|---|---|---|---|---|"
    for spec in ACTIONS.values():
        yield _row(f"**{spec.name}**", "", "", "", _known(spec.evidence), _sentence(spec.note, _needed(spec)))
        for parameter in spec.parameters.values():
            name = f"`{parameter.name}`" if parameter.name else "*(bare value)*"
            default = f"`{parameter.default}`" if parameter.default else ""
            yield _row("", name, _values(parameter), default, _known(parameter.evidence), _sentence(parameter.note))


def formats() -> Iterator[str]:
    """A row for each format of pictures."""
    yield "| format | read | written | longest side of a source | largest result | quality unless said |"
    yield "|---|---|---|---|---|---|"
    for known in FORMATS.values():
        written = "yes" if known.written else "no, refused by name"
        quality = f"{known.quality}" if known.quality < 100 else ""
        yield _row(known.name, "yes", written, f"{known.max_side:,}", _largest(known) if known.written else "", quality)


def operations() -> Iterator[str]:
    """A row for each operation, with the rights it needs."""
    yield "| operation | known from | needs | notes |"
    yield "|---|---|---|---|"
    for name, operation in OPERATIONS.items():
        rights = " ".join(f"`{right}`" for right in RIGHTS[name])
        yield _row(f"**{name}**", _known(operation.evidence), rights, operation.note)


def codes() -> Iterator[str]:
    """A row for each code with which an attempt or a task fails."""
    yield "| code | cause | mend | tried again |"
    yield "|---|---|---|---|"
    for found in filter(None, map(explanation, sorted(CODES))):
        yield _row(f"`{found.code}`", found.cause, found.mend, found.retried)


def exits() -> Iterator[str]:
    """A row for each exit code."""
    yield "| exit | cause | mend |"
    yield "|---|---|---|"
    for found in filter(None, (explanation(str(int(code))) for code in sorted(Exit))):
        yield _row(found.code.removeprefix("exit "), found.cause, found.mend)


TABLES: dict[Path, dict[str, Callable[[], Iterator[str]]]] = {
    LOCAL_OSS: {"operations": operations, "actions": actions, "formats": formats},
    CODE_TABLE: {"codes": codes, "exits": exits},
}


def with_tables(path: Path) -> str:
    """A document with what stands between the marks of each of its tables replaced by that table."""
    text = path.read_text(encoding="utf-8")
    for name, table in TABLES[path].items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        assert text.count(begin) == text.count(end) == 1, name
        before, _, rest = text.partition(begin)
        text = "\n".join([before + begin, *table(), end + rest.partition(end)[2]])
    return text


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _values(parameter: Parameter) -> str:
    match parameter.kind:
        case Kind.INTEGER:
            return f"{parameter.low} to {parameter.high}"
        case Kind.CHOICE:
            return " ".join(f"`{choice}`" for choice in parameter.choices)
        case Kind.COLOR:
            return "RRGGBB"
        case Kind.FONT:
            return "base64 of " + " ".join(f"`{choice}`" for choice in parameter.choices)
        case Kind.TEXT:
            return "base64 of a text"
        case Kind.OBJECT:
            return "base64 of a key in the same bucket"


def _known(evidence: Evidence) -> str:
    return f"**{evidence}**" if evidence is Evidence.GUESS else str(evidence)


def _needed(spec: ActionSpec) -> str:
    names = [name for name in spec.required if name]
    return f"needs {' or '.join(f'`{name}`' for name in names)}" if names else ""


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in reversed(parts) if part)


def _largest(known: Format) -> str:
    width, height, pixels = known.max_written
    sides = f"{width:,} x {height:,}"
    return f"{sides}, {pixels:,} pixels" if pixels < 1 << 40 else sides


def main() -> None:
    """Write tables and schemas anew."""
    for path in TABLES:
        path.write_text(with_tables(path), encoding="utf-8")
    for name in SCHEMAS:
        path_of(name).write_text(written(name), encoding="utf-8")


if __name__ == "__main__":
    main()

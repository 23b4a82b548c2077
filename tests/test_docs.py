"""What the documentation says of the code is what the code says of itself."""

from pathlib import Path

import pytest

from tests.docs import CODE_TABLE, LOCAL_OSS, TABLES, with_tables
from worker.errors import Exit
from worker.oss.actions import ACTIONS
from worker.oss.codes import CODES


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_tables_are_those_of_the_code(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == with_tables(path), "run `make docs`"


def test_every_code_and_exit_stands_in_the_table_with_cause_and_mend() -> None:
    rows = [line.split(" | ") for line in CODE_TABLE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    told = {row[0].strip("| `"): row for row in rows}
    assert {*CODES, *(str(int(code)) for code in Exit)} <= set(told)
    assert all(cell.strip("| ") for row in rows for cell in row)


def test_every_action_and_parameter_stands_in_the_table() -> None:
    text = LOCAL_OSS.read_text(encoding="utf-8")
    for spec in ACTIONS.values():
        row = text.index(f"| **{spec.name}** |")
        for name in spec.parameters:
            row = text.index(f"`{name}`" if name else "*(bare value)*", row + 1)

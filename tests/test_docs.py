"""What the documentation says of the code is what the code says of itself."""

from tests.docs import LOCAL_OSS, with_tables
from worker.oss.actions import ACTIONS


def test_the_tables_of_the_local_oss_are_those_of_the_code() -> None:
    text = LOCAL_OSS.read_text(encoding="utf-8")
    assert text == with_tables(text), "run `make docs`"


def test_every_action_and_parameter_stands_in_the_table() -> None:
    text = LOCAL_OSS.read_text(encoding="utf-8")
    for spec in ACTIONS.values():
        row = text.index(f"| **{spec.name}** |")
        for name in spec.parameters:
            row = text.index(f"`{name}`" if name else "*(bare value)*", row + 1)

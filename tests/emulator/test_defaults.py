"""What a parameter means that is not given stands in the table of actions, and nowhere else."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from tests.emulator.golden.sources import sources
from tests.emulator.golden.test_against_pillow import photo
from tests.emulator.pictures import saved
from worker.emulator.images import render
from worker.oss.actions import ACTIONS, complete
from worker.oss.encoding import to_base64
from worker.oss.process import Action, parse_action

MARK = f"image_{to_base64('mark.png')}"
TEXT = f"text_{to_base64('█ █')}"
# For each parameter with a default an action that leaves it out, and another default that must then change the result.
CASES = {
    ("resize", "m"): ("resize,w_100,h_100", "fixed"),
    ("resize", "limit"): ("resize,w_500", "0"),
    ("resize", "color"): ("resize,m_pad,w_100,h_100", "FF0000"),
    ("crop", "w"): ("crop,h_50", "20"),
    ("crop", "h"): ("crop,w_50", "20"),
    ("crop", "x"): ("crop,w_50,h_50", "7"),
    ("crop", "y"): ("crop,w_50,h_50", "7"),
    ("crop", "g"): ("crop,w_50,h_50", "se"),
    ("indexcrop", "i"): ("indexcrop,x_100", "2"),
    ("watermark", "type"): (f"watermark,{TEXT}", "wqy-microhei"),
    ("watermark", "color"): (f"watermark,{TEXT}", "FF0000"),
    ("watermark", "size"): (f"watermark,{TEXT}", "70"),
    ("watermark", "shadow"): (f"watermark,{TEXT},color_FFFFFF", "80"),
    ("watermark", "rotate"): (f"watermark,{TEXT}", "45"),
    ("watermark", "fill"): (f"watermark,{MARK}", "1"),
    ("watermark", "padx"): (f"watermark,{MARK},fill_1", "9"),
    ("watermark", "pady"): (f"watermark,{MARK},fill_1", "9"),
    ("watermark", "t"): (f"watermark,{MARK}", "30"),
    ("watermark", "g"): (f"watermark,{MARK}", "north"),
    ("watermark", "x"): (f"watermark,{MARK}", "30"),
    ("watermark", "y"): (f"watermark,{MARK}", "30"),
    ("watermark", "voffset"): (f"watermark,{MARK},g_west", "30"),
    ("watermark", "order"): (f"watermark,{MARK},{TEXT}", "1"),
    ("watermark", "align"): (f"watermark,{MARK},{TEXT}", "0"),
    ("watermark", "interval"): (f"watermark,{MARK},{TEXT}", "30"),
}
SETTINGS = {("auto-orient", ""), ("interlace", "")}  # they are done without being asked for, as the golden tables show
FONT = ("watermark", "type")  # any two fonts may draw a plain block alike, so its value is looked at instead


def drawn(action: Action) -> bytes:
    return render(saved(photo(), "PNG"), (action,), sources().__getitem__).body


def with_default(action: Action, name: str, default: str) -> Action:
    spec = ACTIONS[action.name]
    other = {**spec.parameters, name: replace(spec.parameters[name], default=default)}
    return complete(action, {action.name: replace(spec, parameters=MappingProxyType(other))})


def test_every_default_of_the_table_is_tried() -> None:
    defaults = {(spec.name, name) for spec in ACTIONS.values() for name in spec.defaults}
    assert defaults == set(CASES) | SETTINGS


@pytest.mark.parametrize(("action", "name"), CASES, ids="_".join)
def test_another_default_in_the_table_is_another_picture(action: str, name: str) -> None:
    text, default = CASES[action, name]
    given = parse_action(text)
    if (action, name) == FONT:
        assert dict(with_default(given, name, default).parameters)[name] == to_base64(default)
    else:
        assert drawn(with_default(given, name, default)) != drawn(complete(given))


@pytest.mark.parametrize(("action", "name"), CASES, ids="_".join)
def test_the_pictures_know_no_default_of_their_own(action: str, name: str) -> None:
    said = complete(parse_action(CASES[action, name][0]))
    unsaid = Action(action, tuple((other, value) for other, value in said.parameters if other != name))
    with pytest.raises(KeyError, match=name):
        drawn(unsaid)

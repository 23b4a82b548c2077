"""Random processes, broken and lying pictures: a picture or a refusal comes back, never an error."""

import itertools
import json
import random
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.emulator.golden.sources import sources
from tests.emulator.hostile import blinking_gif, lying_jpeg, whole_png
from tests.emulator.pictures import opened, refusal_or_none
from tests.examples import examples
from worker.emulator.budget import WORKING_MEMORY
from worker.emulator.images import render
from worker.emulator.images.geometry import Size
from worker.emulator.images.overlay import Overlays
from worker.emulator.memory_store import MemoryStore
from worker.emulator.refusals import no_such_source
from worker.emulator.styles import recipe_of
from worker.oss.actions import ACTIONS, Kind
from worker.oss.encoding import to_base64
from worker.oss.parameter import Parameter
from worker.oss.refusal import RefusedError

KEYS = (
    "wide.png",
    "clear.png",
    "grey.png",
    "turned.jpg",
    "small.webp",
    "small.bmp",
    "small.tiff",
    "small.gif",
    "moving.gif",
)
MARKS = ("mark.png", "half.png", "mark.bmp", "text.txt", "broken.jpg", "missing")
GIGABYTE = 1 << 30


def value_of(parameter: Parameter) -> st.SearchStrategy[str]:
    """Mostly what the parameter takes, with a liking for its bounds; sometimes anything."""
    match parameter.kind:
        case Kind.INTEGER:
            low, high = parameter.low, parameter.high
            near = st.integers(low, min(high, low + 60))
            good = st.one_of(near, near, st.sampled_from([low, high])).map(str)
        case Kind.CHOICE:
            good = st.sampled_from(parameter.choices)
        case Kind.COLOR:
            good = st.sampled_from(["FF8000", "00ff00"])
        case Kind.FONT:
            good = st.sampled_from(parameter.choices).map(to_base64)
        case Kind.TEXT:
            good = st.one_of(st.just("Sale"), st.text(min_size=1, max_size=20)).map(to_base64)
        case Kind.OBJECT:
            nested = st.sampled_from(
                ["", "?x-oss-process=image/resize,P_30", "?x-oss-process=image/rotate,45", "?x-oss-process=x"]
            )
            good = st.tuples(st.sampled_from(MARKS), nested).map("".join).map(to_base64)
    bad = st.one_of(st.integers(-2, 40_000).map(str), st.text(max_size=4))
    return st.one_of(*[good] * 12, bad)


@st.composite
def actions(draw: st.DrawFn) -> str:
    spec = ACTIONS[draw(st.sampled_from(sorted(ACTIONS)))]
    names = (
        [*spec.required, *draw(st.lists(st.sampled_from(sorted(spec.parameters)), max_size=5))]
        if spec.parameters
        else []
    )
    if len(spec.required) > 1:
        names.remove(draw(st.sampled_from(spec.required)))
    parts = [(name, draw(value_of(spec.parameters[name]))) for name in dict.fromkeys(names)]
    return ",".join([spec.name, *(f"{name}_{value}" if name else value for name, value in parts)])


processors = st.lists(actions(), min_size=1, max_size=4).map(lambda parts: "/".join(["image", *parts]))
chains = st.lists(processors, min_size=1, max_size=3).map("|".join)
processes = st.one_of(*[chains] * 9, st.text(max_size=30), st.text("image/resize,w_1|styleP", max_size=30))


def outcome(key: str, process: str) -> str:
    """What comes back; anything but an answer or a refusal is an error of the local OSS, and fails the test."""

    def fetch(name: str) -> bytes:
        if name not in sources():
            raise no_such_source(name)
        return sources()[name]

    store = MemoryStore(clock=lambda: 0)
    store.make_bucket("photos")
    try:
        result = render(sources()[key], recipe_of(process, store, "photos").actions, fetch)
    except RefusedError as error:
        found = error.refusal
        return found.code if found.http in {400, 404, 501} and found.message else f"odd refusal: {found}"
    if result.content_type == "application/json":
        assert json.loads(result.body)
    else:
        opened(result.body)
    return ""


@settings(examples(500), suppress_health_check=list(HealthCheck))
@given(st.sampled_from(KEYS), processes)
@example("moving.gif", "image/watermark,text_4paI,fill_1,size_1000")
def test_a_random_process_makes_a_picture_or_is_refused(key: str, process: str) -> None:
    assert not outcome(key, process).startswith("odd")


def test_the_random_processes_are_worth_trying() -> None:
    seen: list[str] = []

    # The same ones each time: what is judged is how they are made, not luck.
    @settings(max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(KEYS), processes)
    def look(key: str, process: str) -> None:
        seen.append(outcome(key, process))

    look()
    assert seen.count("") > 60, "pictures"
    assert len(set(seen)) > 3, "and refusals of many kinds"


@pytest.mark.parametrize("key", [key for key in sources() if key.startswith(("small", "photo", "wide", "moving"))])
def test_a_picture_that_breaks_off_or_is_changed_is_a_picture_or_is_refused(key: str) -> None:
    whole = sources()[key]
    source = random.Random(key)
    for _ in range(40):
        data = bytearray(whole[: source.randrange(len(whole))] if source.random() < 0.5 else whole)
        for _ in range(source.randrange(6)):
            if data:
                data[source.randrange(len(data))] = source.randrange(256)
        for process in ("image/resize,w_20", "image/info", "image/average-hue", "image/rotate,45/format,png"):
            refusal = refusal_or_none(bytes(data), process)
            assert refusal is None or refusal.http == 400


def memory_and_verdicts(kind: str) -> tuple[int, dict[str, list[str]]]:
    command = [sys.executable, "-m", "tests.emulator.hostile", kind]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)
    return found["peak"], found["verdicts"]


def test_a_bomb_is_refused_without_being_decoded() -> None:
    peak, verdicts = memory_and_verdicts("bombs")
    assert set(itertools.chain(*verdicts.values())) <= {"MemLimitExceeded", "ImageDamage"}
    assert set(verdicts["whole.png"] + verdicts["lying.jpg"] + verdicts["lying.gif"]) == {"MemLimitExceeded"}
    assert peak < GIGABYTE // 4


@pytest.mark.chaos
def test_a_lie_within_the_limits_costs_less_than_a_gigabyte() -> None:
    peak, verdicts = memory_and_verdicts("liars")
    assert set(itertools.chain(*verdicts.values())) <= {"", "NotImplemented", "ImageDamage", "BadRequest"}
    assert peak < GIGABYTE


def refused(process: str, source: str = "small.bmp") -> str:
    found = refusal_or_none(sources()[source], process)
    return found.message if found else ""


def test_a_process_of_hundreds_of_actions_is_refused() -> None:
    assert refused(f"image{'/bright,1' * 50}") == ""
    assert "more than 50 actions" in refused(f"image{'/bright,1' * 51}")
    nested = to_base64(f"mark.png?x-oss-process=image{'/rotate,90' * 50}")
    assert "more than 50 actions" in refused(f"image/watermark,image_{nested}")


def weighed(data: bytes, process: str) -> int:
    """The bytes of memory that a process says it takes before it does anything."""

    class EnoughError(Exception):
        pass

    asked = 0

    def reserve(size: int) -> None:
        nonlocal asked
        asked += size
        if asked > WORKING_MEMORY:
            raise EnoughError

    with suppress(EnoughError):
        render(data, recipe_of(process, MemoryStore(), "photos").actions, lambda _: b"", reserve)
    return asked


def test_what_would_fill_memory_is_weighed_before_it_is_done() -> None:
    wide, large = whole_png(30_000, 500), lying_jpeg(15_000, 16_000, progressive=True)
    assert weighed(wide, f"image{'/blur,r_50,s_50' * 50}") > WORKING_MEMORY
    assert weighed(large, "image/resize,w_10") > WORKING_MEMORY
    assert weighed(whole_png(6300, 6300), "image/format,bmp") > WORKING_MEMORY
    assert weighed(blinking_gif(30_000), "image/resize,w_10") > WORKING_MEMORY
    assert weighed(blinking_gif(2_000), f"image{'/crop,w_1,h_1' * 50}") > WORKING_MEMORY
    assert weighed(sources()["photo.jpg"], "image/resize,w_100") < 16 << 20
    assert weighed(sources()["photo.jpg"], "image/rotate,90/blur,r_5,s_2/format,png") < 32 << 20


def test_a_text_that_would_fill_memory_is_refused_before_it_does() -> None:
    message = refused(f"image/watermark,text_{to_base64('W' * 64)},size_1000,rotate_45,fill_1")
    assert "text watermark" in message  # too large, or no font on this machine


def test_an_animation_prepares_its_watermark_image_once() -> None:
    asked: list[str] = []

    def fetch(key: str) -> bytes:
        asked.append(key)
        return sources()["clear.png"]

    actions = recipe_of(f"image/watermark,image_{to_base64('mark.png')}", MemoryStore(), "photos").actions
    overlays = Overlays(fetch, lambda _: None)
    values = dict(actions[0].parameters)
    first = overlays(values, Size(40, 30))
    assert overlays(values, Size(40, 30)) is first
    assert overlays(values, Size(30, 40)) is not first
    assert asked == ["mark.png"] * 2

"""Process strings, and the `sys/saveas` at their end."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oss.keys import HARD_KEYS
from worker.oss.names import ObjectRef
from worker.oss.process import Action, Image, Processor, SaveAs, Style, parse, parse_action, saveas
from worker.oss.refusal import Refusal, RefusedError

# What no separator of the syntax is part of: '|', '/', ',' and, in names, '_'.
NAMES = st.text(alphabet="abcxyz-QP09照", min_size=1, max_size=8)
VALUES = st.text(alphabet="abc019_-.照 %+=", max_size=8)
PARAMETERS = st.tuples(NAMES, VALUES) | st.tuples(st.just(""), NAMES)
ACTIONS = st.builds(Action, NAMES, st.lists(PARAMETERS, max_size=4).map(tuple))
PROCESSORS = st.one_of(
    st.builds(Image, st.lists(ACTIONS, min_size=1, max_size=4).map(tuple)),
    st.builds(Style, st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=12)),
)


@given(st.lists(PROCESSORS, min_size=1, max_size=4))
def test_a_process_that_is_written_reads_back_as_itself(processors: list[Processor]) -> None:
    assert parse("|".join(map(str, processors))) == tuple(processors)


@given(st.lists(PROCESSORS, min_size=1, max_size=2), st.text(min_size=1), st.text(min_size=1))
def test_what_saveas_adds_reads_back_as_the_target(processors: list[Processor], bucket: str, key: str) -> None:
    process = "|".join(map(str, processors))
    assert parse(saveas(process, ObjectRef(bucket, key))) == (*processors, SaveAs(bucket, key))


def test_saveas_is_written_as_documented() -> None:
    written = saveas("image/resize,w_100", ObjectRef("destbucket", "out/example.jpg"))
    assert written == "image/resize,w_100|sys/saveas,o_b3V0L2V4YW1wbGUuanBn,b_ZGVzdGJ1Y2tldA"


@pytest.mark.parametrize("key", HARD_KEYS)
@pytest.mark.parametrize("url_safe", [True, False], ids=["url-safe", "standard"])
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "bare"])
@pytest.mark.parametrize("order", ["ob", "bo", "o"])
def test_saveas_is_read_in_every_spelling_of_the_sdks(key: str, url_safe: bool, padded: bool, order: str) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    values = {"o": encode(key.encode()).decode(), "b": encode(b"renditions").decode()}
    parts = [f"{name}_{values[name] if padded else values[name].rstrip('=')}" for name in order]
    text = ",".join(["image/rotate,90|sys/saveas", *parts])
    assert parse(text)[-1] == SaveAs("renditions" if "b" in order else "", key)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("resize,w_100,h_50", Action("resize", (("w", "100"), ("h", "50")))),
        ("rotate,90", Action("rotate", (("", "90"),))),
        ("info", Action("info")),
        ("watermark,text_a_b,color_ff6a00,", Action("watermark", (("text", "a_b"), ("color", "ff6a00")))),
        ("resize,,w_1", Action("resize", (("w", "1"),))),
        ("resize,w_", Action("resize", (("w", ""),))),
        ("format,_png", Action("format", (("", "png"),))),
    ],
)
def test_an_action_is_taken_apart(text: str, action: Action) -> None:
    assert parse_action(text) == action


def test_slashes_that_separate_nothing_are_passed_over() -> None:
    assert parse("image//rotate,90/") == (Image((Action("rotate", (("", "90"),)),)),)


def test_a_trailing_comma_before_saveas_is_accepted() -> None:
    image, target = parse("image/watermark,color_ff6a00,|sys/saveas,o_YQ,")
    assert image == Image((Action("watermark", (("color", "ff6a00"),)),))
    assert target == SaveAs("", "a")


def test_unknown_parts_of_saveas_are_passed_over() -> None:
    assert parse("sys/saveas,x_1,o_YQ") == (SaveAs("", "a"),)


NO_ACTION = Refusal(400, "InvalidArgument", "The image process has no action.", "0040-00000212")
NOT_BASE64 = Refusal(400, "BadRequest", "Input is not base64 decoding.")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("image", NO_ACTION),
        ("image/", NO_ACTION),
        ("image/rotate,90|image/", NO_ACTION),
        *(
            (text, Refusal(400, "InvalidArgument", f"The process {text!r} is not supported.", "0040-00000213"))
            for text in ("", "video/snapshot", "sys/other", "sys", "saveas,o_YQ", "Image/rotate,90")
        ),
        ("sys/saveas,o_*", NOT_BASE64),
        ("sys/saveas,o_YQ,b_/w==", NOT_BASE64),
    ],
)
def test_what_is_no_process_is_refused_as_the_service_does(text: str, refusal: Refusal) -> None:
    with pytest.raises(RefusedError) as caught:
        parse(text)
    assert caught.value.refusal == refusal
    assert str(caught.value) == f"{refusal.http} {refusal.code}: {refusal.message}"


def test_every_order_of_parameters_means_the_same_saveas() -> None:
    parts = ["o_YQ", "b_YmJi", "x_y"]
    spellings = {parse(",".join(["sys/saveas", *order])) for order in itertools.permutations(parts)}
    assert spellings == {(SaveAs("bbb", "a"),)}

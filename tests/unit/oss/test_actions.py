"""The table of image actions against the documentation, and the checks that follow from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.oss.actions import (
    ACTIONS,
    BARE,
    FONTS,
    FORMATS,
    GRAVITIES,
    ActionError,
    Kind,
    build,
    check,
    complete,
    output_format,
    values,
    watermark_image,
)
from worker.oss.encoding import to_base64
from worker.oss.process import Action, parse_action
from worker.oss.refusal import Refusal, RefusedError

# action, parameter, least, greatest, EC of a bad value. Source: OSS, IMG, the page of each action and of each EC.
INTEGERS = [
    ("resize", "w", 1, 16384, "0040-00000312"),
    ("resize", "h", 1, 16384, "0040-00000313"),
    ("resize", "l", 1, 16384, "0040-00000314"),
    ("resize", "s", 1, 16384, "0040-00000315"),
    ("resize", "p", 1, 1000, "0040-00000317"),
    ("crop", "w", 0, 30000, "0040-00000225"),
    ("crop", "h", 0, 30000, "0040-00000226"),
    ("crop", "x", 0, 30000, ""),
    ("crop", "y", 0, 30000, ""),
    ("rotate", BARE, 0, 360, "0040-00000217"),
    ("quality", "q", 1, 100, "0040-00000309"),
    ("quality", "Q", 1, 100, "0040-00000308"),
    ("quality", BARE, 1, 100, "0040-00000310"),
    ("indexcrop", "x", 1, 30000, "0040-00000230"),
    ("indexcrop", "y", 1, 30000, ""),
    ("indexcrop", "i", 0, 30000, ""),
    ("circle", "r", 1, 4096, "0040-00000233"),
    ("rounded-corners", "r", 1, 4096, "0040-00000237"),
    ("blur", "r", 1, 50, ""),
    ("blur", "s", 1, 50, ""),
    ("bright", BARE, -100, 100, ""),
    ("contrast", BARE, -100, 100, ""),
    ("sharpen", BARE, 50, 399, "0040-00000280"),
    ("watermark", "size", 1, 1000, ""),
    ("watermark", "shadow", 0, 100, ""),
    ("watermark", "rotate", 0, 360, "0040-00000272"),
    ("watermark", "padx", 0, 4096, "0040-00000276"),
    ("watermark", "pady", 0, 4096, ""),
    ("watermark", "t", 0, 100, ""),
    ("watermark", "x", 0, 4096, ""),
    ("watermark", "y", 0, 4096, ""),
    ("watermark", "voffset", -1000, 1000, ""),
    ("watermark", "order", 0, 1, ""),
    ("watermark", "align", 0, 2, ""),
    ("watermark", "interval", 0, 1000, ""),
    ("watermark", "P", 1, 100, ""),
]
# action, parameter, all its values, a value that is none, its EC.
CHOICES = [
    ("resize", "m", ("lfit", "mfit", "fill", "pad", "fixed"), "LFIT", "0040-00000311"),
    ("resize", "limit", ("0", "1"), "2", "0040-00000319"),
    ("resize", "e", ("0", "1"), "2", ""),
    ("crop", "g", ("nw", "north", "ne", "west", "center", "east", "sw", "south", "se"), "centre", ""),
    ("auto-orient", BARE, ("0", "1"), "2", "0040-00000215"),
    ("format", BARE, ("jpg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif"), "jpeg", "0040-00000206"),
    ("interlace", BARE, ("0", "1"), "2", ""),
    ("watermark", "fill", ("0", "1"), "2", "0040-00000274"),
    ("watermark", "g", ("nw", "north", "ne", "west", "center", "east", "sw", "south", "se"), "middle", ""),
]
COLORS = [("resize", "color"), ("watermark", "color")]
ENCODED = [
    ("watermark", "text", "0040-00000250"),
    ("watermark", "image", "0040-00000265"),
    ("watermark", "type", ""),
]
# What makes an action complete, so that only the parameter in question can be wrong.
COMPLETE = {
    "resize": ("w", "1"),
    "quality": ("q", "1"),
    "indexcrop": ("x", "1"),
    "blur": ("r", "1"),
    "watermark": ("text", "QQ"),
}


def action_with(name: str, parameter: str, value: str) -> Action:
    needed = COMPLETE.get(name)
    return Action(name, ((parameter, value),) if needed is None else (needed, (parameter, value)))


def refusal_of(action: Action) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        check(action)
    return caught.value.refusal


def invalid(value: str, parameter: str, ec: str = "", reason: str = "") -> Refusal:
    return Refusal(400, "InvalidArgument", f"The value: {value} of parameter: {parameter} is invalid.{reason}", ec)


def test_the_tables_of_this_test_and_of_the_code_name_the_same_actions_and_parameters() -> None:
    named = [(row[0], row[1]) for table in (INTEGERS, CHOICES, COLORS, ENCODED) for row in table]
    assert len(set(named)) == len(named)
    assert set(named) == {(spec.name, name) for spec in ACTIONS.values() for name in spec.parameters}
    # The official list of actions; flip and the like are not among them.
    assert set(ACTIONS) == {name for name, _ in named} | {"info", "average-hue"}
    assert {name for name, spec in ACTIONS.items() if not spec.picture} == {"info", "average-hue"}


@pytest.mark.parametrize(("name", "parameter", "low", "high", "ec"), INTEGERS)
def test_a_number_is_taken_up_to_its_bounds_and_refused_beyond(
    name: str, parameter: str, low: int, high: int, ec: str
) -> None:
    for value in (low, high, (low + high) // 2):
        check(action_with(name, parameter, str(value)))
    for value in (low - 1, high + 1):
        assert refusal_of(action_with(name, parameter, str(value))) == invalid(str(value), parameter or name, ec)


@pytest.mark.parametrize("value", ["a", "1.5", "", " 1", "+1", "0x1", "\u0661", "1" * 10])
@pytest.mark.parametrize(("name", "parameter", "low", "high", "ec"), INTEGERS)
def test_what_is_no_number_is_refused_with_the_recorded_reason(
    name: str, parameter: str, low: int, high: int, ec: str, value: str
) -> None:
    expected = invalid(value, parameter or name, ec, "reason:Value must be digit")
    assert refusal_of(action_with(name, parameter, value)) == expected


@pytest.mark.parametrize(("name", "parameter", "choices", "bad", "ec"), CHOICES)
def test_a_choice_is_one_of_those_documented(
    name: str, parameter: str, choices: tuple[str, ...], bad: str, ec: str
) -> None:
    for value in choices:
        check(action_with(name, parameter, value))
    assert ACTIONS[name].parameters[parameter].choices == choices
    assert refusal_of(action_with(name, parameter, bad)) == invalid(bad, parameter or name, ec)


@pytest.mark.parametrize(("name", "parameter"), COLORS)
def test_a_colour_has_six_hexadecimal_digits(name: str, parameter: str) -> None:
    for value in ("000000", "FFFFFF", "a1B2c3"):
        check(action_with(name, parameter, value))
    for value in ("", "FFF", "0000000", "#000000", "00000g"):
        assert refusal_of(action_with(name, parameter, value)) == invalid(value, parameter)


@pytest.mark.parametrize(("name", "parameter", "ec"), ENCODED)
def test_a_text_is_base64_and_not_empty(name: str, parameter: str, ec: str) -> None:
    check(action_with(name, parameter, to_base64("wqy-zenhei")))
    not_base64 = Refusal(400, "BadRequest", "Input is not base64 decoding.", ec)
    assert refusal_of(action_with(name, parameter, "*")) == not_base64
    assert refusal_of(action_with(name, parameter, "")) == invalid("", parameter, ec)


def test_a_font_is_one_of_those_documented() -> None:
    for font in FONTS:
        check(action_with("watermark", "type", to_base64(font)))
    arial = to_base64("arial")
    assert refusal_of(action_with("watermark", "type", arial)) == invalid(arial, "type")


# Recorded answers of the service, word for word.
RECORDED = [
    ("resize,w_99999999", invalid("99999999", "w", "0040-00000312")),
    ("resize,w_0", invalid("0", "w", "0040-00000312")),
    ("format,f_png", invalid("f", "f", "0040-00000206")),
    ("format,f_webp", invalid("f", "f", "0040-00000206")),
    ("rotate,a_90", invalid("a", "a", "0040-00000217")),
    ("rotate,400", invalid("400", "rotate", "0040-00000217")),
    ("rotate,abc", invalid("abc", "rotate", "0040-00000217", "reason:Value must be digit")),
    ("quality,q_80,image", invalid("image", "quality", "0040-00000310", "reason:Value must be digit")),
]


def not_for_watermarks(name: str, ec: str) -> Refusal:
    return Refusal(400, "InvalidArgument", f"The action: {name} is not supported for a watermark image.", ec)


@pytest.mark.parametrize(("text", "refusal"), RECORDED)
def test_a_bad_value_is_refused_as_recorded(text: str, refusal: Refusal) -> None:
    assert refusal_of(parse_action(text)) == refusal


@pytest.mark.parametrize(
    "text",
    [
        "rotate,90",
        "rotate,70",
        "format,webp",
        "format,png",
        "format,jpg",
        "format,heic",
        "crop,w_100,h_100,x_100,y_100,r_1",  # r is no key of crop: ignored, as recorded
        "resize,m_fixed,w_100,h_100",
        "sharpen,100",
        "watermark,text_SGVsbG8g5Zu-54mH5pyN5YqhIQ",
        "watermark,image_cGFuZGEucG5n,t_90",
        "average-hue",
        "info",
        "crop",
        "resize,w_0,w_5",  # of duplicates the last one wins
    ],
)
def test_what_the_service_takes_is_taken(text: str) -> None:
    check(parse_action(text))


@pytest.mark.parametrize("name", ["flip", "", "Resize", "resize_w"])
def test_an_unknown_action_is_refused(name: str) -> None:
    message = f"The action: {name} is not supported."
    assert refusal_of(Action(name)) == Refusal(400, "InvalidArgument", message, "0040-00000213")


MISSING = {
    "resize": "0040-00000321",
    "rotate": "0040-00000216",
    "auto-orient": "",
    "quality": "0040-00000307",
    "format": "0040-00000207",
    "interlace": "",
    "indexcrop": "",
    "circle": "",
    "rounded-corners": "",
    "blur": "",
    "bright": "",
    "contrast": "",
    "sharpen": "",
    "watermark": "",
}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_without_what_it_needs_is_refused(name: str) -> None:
    if name in MISSING:
        missing = Refusal(400, "MissingArgument", "Missing Some Required Arguments.", MISSING[name])
        assert refusal_of(Action(name)) == missing
    else:
        check(Action(name))


def test_an_optional_parameter_does_not_stand_in_for_a_needed_one() -> None:
    assert refusal_of(parse_action("resize,m_fill")).code == "MissingArgument"
    assert refusal_of(parse_action("watermark,size_10")).code == "MissingArgument"


@pytest.mark.parametrize("name", ["rotate", "auto-orient", "format", "interlace", "bright", "contrast", "sharpen"])
def test_an_action_of_one_value_takes_no_second_one(name: str) -> None:
    expected = invalid("1,50", name, "0040-00000203")
    assert refusal_of(parse_action(f"{name},1,50")) == expected


def test_values_are_by_name_and_the_last_of_duplicates_wins() -> None:
    assert values(parse_action("resize,w_1,h_2,w_3")) == {"w": "3", "h": "2"}
    assert values(parse_action("rotate,90")) == {BARE: "90"}
    assert values(parse_action("rotate,90,180")) == {BARE: "180"}


def test_clear_values_are_encoded_and_written_in_their_order() -> None:
    action = build("watermark", {"text": "春季 Sale", "type": "wqy-microhei", "size": "40", "image": "logo.png?a=b"})
    assert str(action) == "watermark,text_5pil5a2jIFNhbGU,type_d3F5LW1pY3JvaGVp,size_40,image_bG9nby5wbmc_YT1i"
    check(action)
    assert build("resize", {"m": "fill", "w": "1200", "h": "630"}) == parse_action("resize,m_fill,w_1200,h_630")
    assert build("format", "webp") == parse_action("format,webp")
    assert build("rotate", {BARE: "90"}) == parse_action("rotate,90")
    assert build("info", {}) == Action("info")


@given(st.text(min_size=1, max_size=64))
def test_any_text_can_be_a_watermark(text: str) -> None:
    action = build("watermark", {"text": text})
    assert parse_action(str(action)) == action
    check(action)


def test_a_text_has_at_most_64_characters() -> None:
    check(action_with("watermark", "text", to_base64("图" * 64)))
    longer = to_base64("图" * 65)
    assert refusal_of(action_with("watermark", "text", longer)) == invalid(longer, "text", "0040-00000250")


# The process of a watermark image, and how it is refused.
NESTED: list[tuple[str, Refusal | None]] = [
    ("image/resize,P_30", None),
    ("image/resize,w_30/rotate,90|image/crop,w_9", None),
    ("image/indexcrop,x_9/rounded-corners,r_3", None),
    ("image/resize,P_0", invalid("0", "P")),
    ("image/resize,m_fill", Refusal(400, "MissingArgument", "Missing Some Required Arguments.", "0040-00000321")),
    ("image/watermark,text_QQ", not_for_watermarks("watermark", "0040-00000373")),
    ("image/info", not_for_watermarks("info", "0040-00000374")),
    ("image/circle,r_3", not_for_watermarks("circle", "")),
    ("style/a", Refusal(400, "InvalidArgument", "A watermark image can only be prepared by image actions.")),
    ("nonsense", Refusal(400, "InvalidArgument", "The process 'nonsense' is not supported.", "0040-00000213")),
]


@pytest.mark.parametrize(("process", "refusal"), NESTED)
def test_the_process_of_a_watermark_image_is_judged_too(process: str, refusal: Refusal | None) -> None:
    value = f"logo.png?x-oss-process={process}"
    action = action_with("watermark", "image", to_base64(value))
    if refusal is None:
        check(action)
        assert build("watermark", {"image": value}) == Action("watermark", (("image", to_base64(value)),))
        return
    assert refusal_of(action) == refusal
    with pytest.raises(ActionError) as caught:
        build("watermark", {"image": value})
    assert refusal.message in caught.value.reason
    assert caught.value.parameter == "image"


def test_a_watermark_image_is_taken_apart() -> None:
    key, actions = watermark_image(to_base64("dir/a b.png?x-oss-process=image/resize,P_30|image/rotate,90"))
    assert key == "dir/a b.png"
    resize = {"m": "lfit", "limit": "1", "color": "FFFFFF", "P": "30"}
    assert actions == (Action("resize", tuple(resize.items())), Action("rotate", ((BARE, "90"),)))
    assert watermark_image(to_base64("logo.png?a=b")) == ("logo.png?a=b", ())


def test_only_a_watermark_image_can_be_a_share_of_the_main_picture() -> None:
    assert refusal_of(parse_action("resize,P_30")).code == "MissingArgument"


@pytest.mark.parametrize(
    ("name", "parameters", "parameter", "reason", "mend"),
    [
        ("reszie", {"w": "1"}, "", "unknown action 'reszie'", "did you mean 'resize'?"),
        ("zzzz", {"w": "1"}, "", "unknown action 'zzzz'", f"known: {', '.join(ACTIONS)}"),
        (
            "watermark",
            {"text": "a", "colour": "000000"},
            "colour",
            "watermark has no parameter 'colour'",
            "did you mean 'color'?",
        ),
        ("circle", {"r": "1", "zz": "1"}, "zz", "circle has no parameter 'zz'", "known: r"),
        ("info", {"zz": "1"}, "zz", "info has no parameter 'zz'", "it takes none"),
        ("resize", {"w": "0"}, "w", "resize w: '0' is not accepted", "it takes a whole number from 1 to 16384"),
        ("rotate", "361", BARE, "rotate: '361' is not accepted", "it takes a whole number from 0 to 360"),
        (
            "format",
            "jpeg",
            BARE,
            "format: 'jpeg' is not accepted",
            f"it takes one of {', '.join(FORMATS)}; did you mean 'jpg'?",
        ),
        ("crop", {"g": "x"}, "g", "crop g: 'x' is not accepted", f"it takes one of {', '.join(GRAVITIES)}"),
        (
            "watermark",
            {"text": "a", "type": "arial"},
            "type",
            "watermark type: 'arial' is not accepted",
            f"it takes one of {', '.join(FONTS)}",
        ),
        (
            "resize",
            {"w": "1", "color": "red"},
            "color",
            "resize color: 'red' is not accepted",
            "it takes a colour as RRGGBB, six hexadecimal digits",
        ),
        (
            "watermark",
            {"text": ""},
            "text",
            "watermark text: '' is not accepted",
            "it takes a text of 1 to 64 characters",
        ),
        (
            "watermark",
            {"image": ""},
            "image",
            "watermark image: '' is not accepted",
            "it takes the key of an image in the same bucket",
        ),
        (
            "rotate",
            {"angle": "90"},
            "",
            "rotate takes one value",
            "write `rotate: VALUE`, a whole number from 0 to 360",
        ),
        ("resize", "100", "", "resize takes named parameters", "write `resize: {name: value}`"),
        ("quality", "80", "", "quality takes named parameters", "write `quality: {name: value}`"),
        ("resize", {"width": "1"}, "width", "resize has no parameter 'width'", "did you mean 'w'?"),
        ("resize", {"m": "fill"}, "", "resize needs w or h or l or s or p", "add the parameter"),
        ("crop", "100", "", "crop takes named parameters", "write `crop: {name: value}`"),
    ],
)
def test_a_wrong_structured_action_says_what_is_wrong_and_how_to_mend_it(
    name: str, parameters: dict[str, str] | str, parameter: str, reason: str, mend: str
) -> None:
    with pytest.raises(ActionError) as caught:
        build(name, parameters)
    assert (caught.value.parameter, caught.value.reason, caught.value.mend) == (parameter, reason, mend)
    assert str(caught.value) == reason


@pytest.mark.parametrize("name", ACTIONS)
def test_a_default_is_a_value_that_the_parameter_takes(name: str) -> None:
    for parameter in ACTIONS[name].parameters.values():
        encoded = parameter.kind is Kind.FONT
        assert not parameter.default or parameter.accepts(
            to_base64(parameter.default) if encoded else parameter.default
        )


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ("image/resize,w_100", None),
        ("image/format,webp", "webp"),
        ("image/format,webp/resize,w_1/format,png", "png"),
        ("image/format,webp|image/rotate,90", "webp"),
        ("image/format,webp|image/format,gif", "gif"),
        ("style/small", None),
        ("image/format,jpg|style/small", None),
        ("style/small|image/format,jpg", "jpg"),
        ("image/format,jpg|sys/saveas,o_YQ", "jpg"),
        ("image/format,f_png", None),
        ("image/format,png/format", "png"),
    ],
)
def test_the_output_format_is_the_last_one_that_is_set(process: str, expected: str | None) -> None:
    assert output_format(process) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resize,w_100", {"m": "lfit", "limit": "1", "color": "FFFFFF", "w": "100"}),
        ("resize,w_100,m_pad,w_50,nobody_1", {"m": "pad", "limit": "1", "color": "FFFFFF", "w": "50"}),
        ("resize,w_100,e_1", {"m": "mfit", "limit": "1", "color": "FFFFFF", "w": "100", "e": "1"}),
        ("resize,w_100,e_1,m_fixed", {"m": "fixed", "limit": "1", "color": "FFFFFF", "w": "100", "e": "1"}),
        ("rotate,90", {BARE: "90"}),
        ("info", {}),
    ],
)
def test_a_complete_action_says_everything(text: str, said: dict[str, str]) -> None:
    done = complete(parse_action(text))
    assert values(done) == said
    assert complete(done) == done


@pytest.mark.parametrize("name", ACTIONS)
def test_every_default_is_a_value_that_the_parameter_takes(name: str) -> None:
    spec = ACTIONS[name]
    assert all(spec.parameters[known].accepts(value) for known, value in spec.defaults.items())


def test_the_process_of_a_watermark_image_has_pipes_of_its_own() -> None:
    steps = ["image/rotate,90"] * 7
    watermark_image(to_base64("a?x-oss-process=" + "|".join(steps[:6])))
    with pytest.raises(RefusedError) as caught:
        watermark_image(to_base64("a?x-oss-process=" + "|".join(steps)))
    assert (caught.value.refusal.code, caught.value.refusal.ec) == ("TooManyPipes", "0040-00000211")

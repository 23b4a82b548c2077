"""The table of image actions: their parameters, ranges, defaults and error codes, and how well each is known.

One table serves the lint of manifests, the local OSS and the documentation.
Source: OSS, "Image processing" (IMG), one page an action; error codes from the 0040 pages and recorded answers.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from worker.oss.parameter import BARE, MAX_TEXT, ActionSpec, Evidence, Kind, Parameter

FORMATS = ("jpg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif")
GRAVITIES = ("nw", "north", "ne", "west", "center", "east", "sw", "south", "se")
FONTS = (
    "wqy-zenhei",
    "wqy-microhei",
    "fangzhengshusong",
    "fangzhengkaiti",
    "fangzhengheiti",
    "fangzhengfangsong",
    "droidsansfallback",
)


def _integer(
    name: str,
    low: int,
    high: int,
    ec: str = "",
    default: str = "",
    *,
    evidence: Evidence = Evidence.DOCUMENTED,
    note: str = "",
) -> Parameter:
    return Parameter(name, Kind.INTEGER, low, high, ec=ec, default=default, evidence=evidence, note=note)


def _choice(
    name: str,
    choices: tuple[str, ...],
    ec: str = "",
    default: str = "",
    *,
    evidence: Evidence = Evidence.DOCUMENTED,
    note: str = "",
) -> Parameter:
    return Parameter(name, Kind.CHOICE, choices=choices, ec=ec, default=default, evidence=evidence, note=note)


def _spec(
    name: str,
    *parameters: Parameter,
    required: tuple[str, ...] = (),
    missing_ec: str = "",
    picture: bool = True,
    evidence: Evidence = Evidence.DOCUMENTED,
    note: str = "",
) -> ActionSpec:
    table = MappingProxyType({parameter.name: parameter for parameter in parameters})
    return ActionSpec(name, table, required, missing_ec, picture, evidence, note)


_RECORDED, _GUESS = Evidence.RECORDED, Evidence.GUESS
_PERCENT_OF_MAIN = _integer("P", 1, 100, note="percent of the main picture into which the image is fitted")
_SPECS = (
    _spec(
        "resize",
        _choice("m", ("lfit", "mfit", "fill", "pad", "fixed"), "0040-00000311", "lfit"),
        _integer("w", 1, 16384, "0040-00000312", evidence=_RECORDED),
        _integer("h", 1, 16384, "0040-00000313", evidence=_RECORDED),
        _integer("l", 1, 16384, "0040-00000314", note="the longer side; only without w and h"),
        _integer("s", 1, 16384, "0040-00000315", note="the shorter side; only without w and h"),
        _integer("p", 1, 1000, "0040-00000317", note="percent; enlarges whatever `limit` says (a guess)"),
        _choice("limit", ("0", "1"), "0040-00000319", "1", evidence=_RECORDED),
        Parameter("color", Kind.COLOR, default="FFFFFF", note="only with m_pad"),
        Parameter(
            "e",
            Kind.CHOICE,
            choices=("0", "1"),
            means=MappingProxyType({"0": ("m", "lfit"), "1": ("m", "mfit")}),
            note="old name: 0 is m_lfit, 1 is m_mfit; only without m",
        ),
        required=("w", "h", "l", "s", "p"),
        missing_ec="0040-00000321",
        evidence=_RECORDED,
        note="of at most 131,072 pixels without alpha by averaging areas, the recorded file to the byte; "
        "of more by Lanczos 3",
    ),
    _spec(
        "crop",
        _integer("w", 0, 30000, "0040-00000225", "0", note="0: as much as there is (that it is 0 is a guess)"),
        _integer("h", 0, 30000, "0040-00000226", "0", note="0: as much as there is (that it is 0 is a guess)"),
        _integer("x", 0, 30000, default="0", evidence=_RECORDED),
        _integer("y", 0, 30000, default="0", evidence=_RECORDED),
        _choice("g", GRAVITIES, default="nw", note="not `face` and `auto`, which need another service"),
        evidence=_RECORDED,
        note="the recorded file is missed by 1.4 % of its bytes",
    ),
    _spec(
        "rotate",
        _integer(BARE, 0, 360, "0040-00000217", evidence=_RECORDED),
        required=(BARE,),
        missing_ec="0040-00000216",
        evidence=_RECORDED,
        note="by right angles, the recorded file to the byte; of other angles the new corners are white, "
        "transparent where the source has transparency (a guess)",
    ),
    _spec(
        "auto-orient",
        _choice(BARE, ("0", "1"), "0040-00000215", "1", evidence=_RECORDED),
        required=(BARE,),
        evidence=_RECORDED,
        note="done without being asked for, and before all else; not for animations",
    ),
    _spec(
        "quality",
        _integer("q", 1, 100, "0040-00000309", note="percent of the source's quality; for WebP as Q"),
        _integer("Q", 1, 100, "0040-00000308", note="never above the source's; wins over q"),
        # Recorded for `quality,q_80,image/resize`: image is no number.
        _integer(BARE, 1, 100, "0040-00000310", evidence=_GUESS, note="judged, otherwise without effect"),
        required=("q", "Q"),
        missing_ec="0040-00000307",
        note="JPG, WebP and AVIF; without it a JPG keeps the source's quality (recorded); all else: see Formats",
    ),
    _spec(
        "format",
        _choice(BARE, FORMATS, "0040-00000206", note="heic is refused: libvips as distributed does not write it"),
        required=(BARE,),
        missing_ec="0040-00000207",
        evidence=_RECORDED,
        note="the recorded file, a PNG, is missed by 2.1 % of its bytes",
    ),
    _spec("interlace", _choice(BARE, ("0", "1"), default="0"), required=(BARE,)),
    _spec("info", picture=False, evidence=_RECORDED),
    _spec(
        "average-hue",
        picture=False,
        evidence=_RECORDED,
        note="one recorded answer is met; never together with other actions (a guess)",
    ),
    _spec(
        "indexcrop",
        _integer("x", 1, 30000, "0040-00000230", note="width of a slice"),
        _integer("y", 1, 30000, note="height of a slice; wins over x"),
        _integer("i", 0, 30000, default="0", note="beyond the last slice: the whole picture"),
        required=("x", "y"),
    ),
    _spec(
        "circle",
        _integer("r", 1, 4096, "0040-00000233", note="at most half the shorter side"),
        required=("r",),
        note="around it transparent, white in JPG; the canvas is 2r x 2r (a guess)",
    ),
    _spec(
        "rounded-corners",
        _integer("r", 1, 4096, "0040-00000237", note="at most half the shorter side"),
        required=("r",),
        note="corners transparent, white in JPG; refused for GIF (the code is a guess)",
    ),
    _spec(
        "blur",
        _integer("r", 1, 50, note="radius; 3s if missing (a guess)"),
        _integer("s", 1, 50, note="standard deviation; r if missing (a guess)"),
        required=("r", "s"),
        evidence=_GUESS,
        note="a Gaussian, cut off at r",
    ),
    _spec(
        "bright",
        _integer(BARE, -100, 100),
        required=(BARE,),
        evidence=_GUESS,
        note="so many percent of full scale are added",
    ),
    _spec(
        "contrast",
        _integer(BARE, -100, 100),
        required=(BARE,),
        evidence=_GUESS,
        note="stretched around middle grey; -100 is plain grey",
    ),
    _spec(
        "sharpen",
        _integer(BARE, 50, 399, "0040-00000280"),
        required=(BARE,),
        evidence=_GUESS,
        note="an unsharp mask of radius 1; the recorded file is missed by 0.6 % of its bytes",
    ),
    _spec(
        "watermark",
        Parameter(
            "text", Kind.TEXT, ec="0040-00000250", note=f"at most {MAX_TEXT} characters; needs a font that has them"
        ),
        Parameter("image", Kind.OBJECT, ec="0040-00000265", note="may carry ?x-oss-process=image/..., see above"),
        Parameter(
            "type",
            Kind.FONT,
            choices=FONTS,
            default="wqy-zenhei",
            note="another installed font stands in for one that is missing",
        ),
        Parameter("color", Kind.COLOR, default="000000"),
        _integer("size", 1, 1000, default="40"),
        _integer("shadow", 0, 100, default="0", evidence=_GUESS, note="opacity of a black copy, down and right"),
        _integer("rotate", 0, 360, "0040-00000272", "0", note="turns the text, clockwise"),
        _choice("fill", ("0", "1"), "0040-00000274", "0", evidence=_GUESS, note="1: tiles from the upper left corner"),
        _integer("padx", 0, 4096, "0040-00000276", "0", note="only with fill_1"),
        _integer("pady", 0, 4096, default="0", note="only with fill_1"),
        _integer("t", 0, 100, default="100", note="opacity"),
        _choice("g", GRAVITIES, default="se"),
        _integer("x", 0, 4096, default="10", note="not for north, center, south"),
        _integer("y", 0, 4096, default="10", note="not for west, center, east"),
        _integer("voffset", -1000, 1000, default="0", note="only for west, center, east; down (a guess)"),
        _integer("order", 0, 1, default="0", note="of both: 0 image first, 1 text first"),
        _integer("align", 0, 2, default="2", note="of both: 0 top, 1 middle, 2 bottom"),
        _integer("interval", 0, 1000, default="0", note="pixels between both"),
        _PERCENT_OF_MAIN,
        required=("text", "image"),
        note="the box of a text is that of its ink (a guess), so a text may sit some pixels elsewhere",
    ),
)
ACTIONS: Mapping[str, ActionSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def _for_watermark_images() -> Mapping[str, ActionSpec]:
    """The actions that may prepare a watermark image; there resize also knows P, the share of the main picture."""
    specs = {name: ACTIONS[name] for name in ("resize", "crop", "indexcrop", "rounded-corners", "rotate")}
    resize = specs["resize"]
    parameters = MappingProxyType({**resize.parameters, "P": _PERCENT_OF_MAIN})
    specs["resize"] = replace(resize, parameters=parameters, required=(*resize.required, "P"))
    return MappingProxyType(specs)


WATERMARK_ACTIONS = _for_watermark_images()

"""The answer of `image/info`. Source: OSS, "Query the EXIF data of an image"; recorded answers for its layout."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags
from PIL.Image import Exif
from PIL.TiffImagePlugin import IFDRational

from worker.emulator.images.decoding import Source

_MAX_BYTES = 256  # of a value that is no text: maker's notes and the like are left out
_NAMES = {0x8769: "ExifTag", 0x8825: "GPSTag"}  # as the service names the offsets
_POINTS = {"N": "North", "S": "South", "E": "East", "W": "West"}


def information(source: Source) -> bytes:
    """Size, format and EXIF of a source as stored, that is, not turned by its orientation."""
    fields = {
        **_density(source),
        **_exif(source),
        "FileSize": str(len(source.data)),
        "Format": source.format.name,
        "FrameCount": str(source.frames),
        "ImageHeight": str(source.size.height),
        "ImageWidth": str(source.size.width),
    }
    lines = (
        f'    {json.dumps(name)}: {{"value": {json.dumps(fields[name], ensure_ascii=False)}}}'
        for name in sorted(fields)
    )
    return ("{\n" + ",\n".join(lines) + "}").encode()


def _density(source: Source) -> dict[str, str]:
    density = source.jpeg.density
    if density is None:
        return {}
    # EXIF counts the same units from 1, recorded for 0.
    return {
        "ResolutionUnit": str(density.unit + 1),
        "XResolution": f"{density.x}/1",
        "YResolution": f"{density.y}/1",
    }


def _exif(source: Source) -> dict[str, str]:
    if source.format.name == "png" or "exif-data" not in source.header.get_fields():
        return {}  # documented: not returned for PNG
    exif = Exif()
    fields: dict[str, str] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each tag that points nowhere
            exif.load(bytes(source.header.get("exif-data")))
            for tags, names in (
                (exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPSTAGS),
                (exif.get_ifd(ExifTags.IFD.Exif), ExifTags.TAGS),
                (exif, ExifTags.TAGS | _NAMES),
            ):
                fields |= _shown(tags, names)
    except Exception:  # noqa: BLE001 - EXIF comes from anybody's camera; a broken one tells nothing, but hides nothing
        return fields
    return fields


def _shown(tags: Mapping[int, Any], names: Mapping[int, str]) -> dict[str, str]:
    shown = {}
    for tag, value in tags.items():
        name = names.get(tag)
        text = _text(name or "", value)
        if name and text is not None:
            shown[name] = text
    return shown


def _text(name: str, value: Any) -> str | None:
    """A value as the service writes it, None where it is not known how."""
    match value:
        case str() if name.endswith("Ref"):
            return _POINTS.get(value.strip("\0 "), value.strip("\0 "))
        case str():
            return value.strip("\0")
        case bytes():
            return " ".join(map(str, value)) if len(value) <= _MAX_BYTES else None
        case IFDRational():
            return f"{value.numerator}/{value.denominator}"
        case int() | float():
            return str(value)
        case tuple() if name in {"GPSLatitude", "GPSLongitude"} and len(value) == 3:
            degrees, minutes, seconds = map(float, value)
            return f"{degrees:.0f}deg {minutes:.0f}' {seconds:.3f}\" "
        case tuple():
            parts = [_text("", part) for part in value]
            return " ".join(part for part in parts if part is not None)
        case _:
            return None

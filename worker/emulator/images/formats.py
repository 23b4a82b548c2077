"""The formats of pictures: how they are told apart, and what the service limits in each.

Source: OSS, "Image processing", "Limits", and the pages of the error codes 0040-00000012 to -19.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A format that sources may have. `max_side` in pixels; `too_long` is the detailed code of a longer side."""

    name: str
    content_type: str
    max_side: int = 30_000
    too_long: str = "0040-00000012"
    animated: bool = False


FORMATS = {
    known.name: known
    for known in (
        Format("jpg", "image/jpeg", too_long="0040-00000019"),
        Format("png", "image/png"),
        Format("webp", "image/webp", animated=True),
        Format("bmp", "image/bmp"),
        Format("gif", "image/gif", animated=True),
        Format("tiff", "image/tiff", max_side=16_384, too_long="0040-00000018"),
        Format("heic", "image/heic", too_long="0040-00000013"),
        Format("avif", "image/avif", max_side=10_000, too_long="0040-00000014"),
    )
}
MAX_PIXELS = 250_000_000  # over all frames
WRITTEN = frozenset({"jpg", "png", "webp", "bmp", "gif", "tiff"})  # what this server encodes

_MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_BRANDS = {b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"mif1": "heic", b"avif": "avif", b"avis": "avif"}


def format_of(data: bytes) -> Format | None:
    """The format by the first bytes, whatever the key's extension says; None where it is none of these."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FORMATS["webp"]
    if data[4:8] == b"ftyp":
        brand = _BRANDS.get(data[8:12])
        return FORMATS[brand] if brand else None
    return next((FORMATS[name] for magic, name in _MAGIC if data.startswith(magic)), None)

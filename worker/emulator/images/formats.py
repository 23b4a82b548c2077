"""The formats of pictures: how they are told apart, and what the service limits in each.

Source: OSS, "Image processing", "Limits", and the pages of the error codes 0040-00000012 to -19.
"""

from dataclasses import dataclass

from worker.oss.limits import MAX_WRITTEN


@dataclass(frozen=True, slots=True)
class Format:
    """A format of sources and results.

    `max_side` is a source's in pixels, `too_long` the detailed code of a longer one. `max_written` is a result's
    greatest width, height and number of pixels, `too_large` the detailed code of a larger one. `written`: this server
    has an encoder. `quality` is what a result has where neither the process nor the source says one; not recorded
    anywhere, so what looks right. `whole`: decoded and encoded with the whole picture in memory, not row by row.
    """

    name: str
    content_type: str
    max_side: int = 30_000
    too_long: str = "0040-00000012"
    animated: bool = False
    written: bool = True
    quality: int = 100
    whole: bool = False
    max_written: tuple[int, int, int] = (65_535, 65_535, 1 << 40)
    too_large: str = "0040-00000007"


FORMATS = {
    known.name: known
    for known in (
        Format("jpg", "image/jpeg", too_long="0040-00000019", quality=85),
        Format("png", "image/png"),
        Format(
            "webp",
            "image/webp",
            animated=True,
            quality=80,
            whole=True,
            max_written=MAX_WRITTEN["webp"],
            too_large="0040-00000011",
        ),
        Format("bmp", "image/bmp", whole=True),
        Format("gif", "image/gif", animated=True, whole=True),
        Format("tiff", "image/tiff", max_side=16_384, too_long="0040-00000018"),
        # libvips as it is distributed reads HEIC and has no encoder for it.
        Format("heic", "image/heic", too_long="0040-00000013", written=False, whole=True),
        Format(
            "avif",
            "image/avif",
            max_side=10_000,
            too_long="0040-00000014",
            quality=50,
            whole=True,
            max_written=MAX_WRITTEN["avif"],
            too_large="0040-00000014",
        ),
    )
}
MAX_PIXELS = 250_000_000  # over all frames
# Of this server alone, so that no picture takes a gigabyte: what formats may have that are held in memory as a whole.
MAX_WHOLE_SOURCE = 100_000_000  # pixels over all frames
MAX_WHOLE_RESULT = 40_000_000
MAX_CAREFUL_WEBP = 4 << 20  # pixels; a larger one is encoded with less effort, for a third of the memory a pixel
WRITTEN = frozenset(known.name for known in FORMATS.values() if known.written)

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

"""From pictures to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.images.bitmap import write_bmp
from worker.emulator.images.formats import FORMATS, MAX_CAREFUL_WEBP, MAX_WHOLE_RESULT
from worker.emulator.images.jpeg import Density, with_density
from worker.emulator.images.libvips import GValue, Image
from worker.emulator.images.target import written
from worker.emulator.images.weight import Reserve, of_result
from worker.oss.limits import MAX_RESULT_PIXELS

_KEEP = "icc"  # a picture in another colour space would look wrong without its profile; EXIF no longer fits
_AVIF_EFFORT = 2  # of 9: slower ones save a few percent of bytes, which nobody looks for here


@dataclass(frozen=True, slots=True)
class Encoder:
    """How to write a picture. `quality` is 1 to 100, `density` a JPEG's, `delays` (ms) and `loop` an animation's.

    `reserve` is asked for the memory that it takes.
    """

    format: str
    quality: int
    interlaced: bool
    density: Density
    reserve: Reserve
    delays: Sequence[int] = ()
    loop: int = 0

    def encode(self, frames: Sequence[Image]) -> bytes:
        """The file of one picture, or of an animation where there are several frames.

        Raises:
            RefusedError: The format cannot hold a picture that large.
        """
        self._check_size(frames[0].width, frames[0].height)
        # It needs the whole picture in memory, which is left to others where the picture is larger than a resize makes.
        optimized = self.interlaced or frames[0].width * frames[0].height <= MAX_RESULT_PIXELS
        self.reserve(of_result(self.format, frames[0], whole=optimized))
        image = frames[0] if len(frames) == 1 else self._animation(frames)
        match self.format:
            case "jpg":
                return self._jpeg(image, optimized=optimized)
            case "png":
                return written(image.pngsave_target, self.reserve, compression=6, filter="all", keep=_KEEP)
            case "webp":
                effort = 4 if frames[0].width * frames[0].height <= MAX_CAREFUL_WEBP else 2
                return written(image.webpsave_target, self.reserve, Q=self.quality, effort=effort, keep=_KEEP)
            case "avif":
                # 4:2:0 at every quality, as in JPEG; without it the best ones would take half as much memory again.
                av1: dict[str, object] = {"compression": "av1", "effort": _AVIF_EFFORT, "subsample_mode": "on"}
                return written(image.heifsave_target, self.reserve, Q=self.quality, keep=_KEEP, **av1)
            case "gif":
                return written(image.gifsave_target, self.reserve, keep="none")
            case "tiff":
                return bytes(image.tiffsave_buffer(compression="lzw", keep=_KEEP))
            case "bmp":
                return write_bmp(image)
            case _:
                raise ValueError(self.format)

    def _check_size(self, width: int, height: int) -> None:
        target = FORMATS[self.format]
        most_width, most_height, most_pixels = target.max_written
        if width > most_width or height > most_height or width * height > most_pixels:
            raise refusals.result_too_large(target.too_large)
        interlaced = self.interlaced and target.name == "jpg"  # the only format that is written so
        if (target.whole or interlaced) and width * height > MAX_WHOLE_RESULT:
            how = "interlaced " if interlaced else ""
            raise refusals.not_implemented(f"{how}results in {target.name} of more than {MAX_WHOLE_RESULT:,} pixels")

    def _jpeg(self, image: Image, *, optimized: bool) -> bytes:
        # As the service encodes: 4:2:0 at every quality, optimised Huffman tables, alpha on white.
        data = written(
            image.jpegsave_target,
            self.reserve,
            Q=self.quality,
            optimize_coding=optimized,
            interlace=self.interlaced,
            subsample_mode="on",
            background=255,
            keep=_KEEP,
        )
        self.reserve(len(data))
        return with_density(data, self.density)

    def _animation(self, frames: Sequence[Image]) -> Image:
        strip = Image.arrayjoin(list(frames), across=1).copy()
        strip.set_type(GValue.gint_type, "page-height", frames[0].height)
        strip.set_type(GValue.array_int_type, "delay", list(self.delays) or [100] * len(frames))
        strip.set_type(GValue.gint_type, "loop", self.loop)
        return strip

"""Refusals of pictures and of what is asked of them."""

from worker.emulator.refusals.answering import refusal
from worker.emulator.refusals.requests import not_implemented
from worker.oss.refusal import RefusedError


def unsupported_picture() -> RefusedError:
    """The source is no picture, or none of a format that is processed."""
    return refusal(400, "BadRequest", "This image format is not supported.", "0040-00000005")


def damaged_picture(picture_format: str) -> RefusedError:
    """The source breaks off or contradicts itself. WebP has a code of its own."""
    if picture_format == "webp":
        return refusal(400, "BadWebPImage", "The webp image file may be damaged.")
    return refusal(400, "ImageDamage", "The image file may be damaged.")


def picture_too_large(limit: int) -> RefusedError:
    """The source has too many bytes."""
    return refusal(400, "ImageTooLarge", f"Maximal size of image supported is {limit}", "0040-00000001")


def too_many_pixels(ec: str) -> RefusedError:
    """The source has a side that is too long, or too many pixels over all frames."""
    return refusal(400, "MemLimitExceeded", "The image has too many pixels.", ec)


def result_too_large(ec: str = "0040-00000007") -> RefusedError:
    """The result would have a side that is too long, or too many pixels."""
    return refusal(400, "InvalidArgument", "The size of the result exceeds the limit.", ec)


def beyond_rotation() -> RefusedError:
    """The picture is too large to be rotated."""
    return refusal(400, "BadRequest", "Picture exceed the maximum allowable rotation range", "0040-00000006")


def cut_beyond_edge() -> RefusedError:
    """A crop begins outside the picture. Recorded so, without EC, though the documentation says BadRequest."""
    return refusal(400, "CutEdgeExceedRange", "Advance cut's position is out of image.")


def not_for_gif(action: str) -> RefusedError:
    """The action is documented not to work on GIF; how it is refused is not."""
    return refusal(400, "BadRequest", f"The action: {action} is not supported for GIF.")


def watermark_error(message: str, ec: str = "") -> RefusedError:
    """A watermark cannot be drawn. The code is documented, the messages are not."""
    return refusal(400, "WatermarkError", message, ec)


def no_font(characters: str) -> RefusedError:
    """No font of this machine has these characters of a watermark: the local OSS draws no boxes in their place."""
    shown = " ".join(f"{character} (U+{ord(character):04X})" for character in characters[:8])
    return not_implemented(
        f"this text watermark here: no font found on this machine has {shown}. Install one, for example the Debian "
        "package fonts-wqy-zenhei, which has the font that OSS uses by default, and start the local OSS again"
    )

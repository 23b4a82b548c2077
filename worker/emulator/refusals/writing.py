"""Refusals of what is written piece by piece, of links, and of tags."""

from worker.emulator.refusals.answering import refusal
from worker.oss.refusal import RefusedError


def position_not_equal_to_length(length: int) -> RefusedError:
    """An append that does not begin where the object ends. The header with its end is recorded; the EC is a mock's."""
    error = refusal(409, "PositionNotEqualToLength", "Position is not equal to file length", "0026-00000016")
    error.headers = (("x-oss-next-append-position", str(length)),)
    return error


def object_not_appendable() -> RefusedError:
    """An append to an object that came about otherwise. The message is a guess."""
    return refusal(409, "ObjectNotAppendable", "The object is not appendable.")


def no_such_upload(upload_id: str, ec: str) -> RefusedError:
    """There is no such upload, or no longer. Message and ECs are recorded."""
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    )
    return refusal(404, "NoSuchUpload", message, ec, UploadId=upload_id)


def invalid_part(number: int) -> RefusedError:
    """A part to complete with is not there, or has another ETag. The message is documented."""
    message = (
        "One or more of the specified parts could not be found or the specified entity tag might not have matched the "
        "part's entity tag."
    )
    return refusal(400, "InvalidPart", message, PartNumber=str(number))


def invalid_part_order() -> RefusedError:
    """The parts to complete with do not stand in the order of their numbers. The message is a guess."""
    return refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")


def entity_too_small(size: int, least: int, number: int) -> RefusedError:
    """A part that is not the last is smaller than a part may be. The message is a guess."""
    message = "Your proposed upload smaller than the minimum allowed size."
    details = {"ProposedSize": str(size), "MinSizeAllowed": str(least), "PartNumber": str(number)}
    return refusal(400, "EntityTooSmall", message, **details)


def symlink_target_missing() -> RefusedError:
    """A symlink to nothing. Code and EC are documented, the message is a guess."""
    return refusal(404, "SymlinkTargetNotExist", "The symlink target object does not exist.", "0026-00000012")


def symlink_to_symlink() -> RefusedError:
    """A symlink to another one. Message and EC are recorded."""
    return refusal(400, "InvalidTargetType", "The symbolic's target file type is invalid", "0026-00000011")


def not_symlink() -> RefusedError:
    """The object is no symlink. The EC is documented, all else a guess."""
    return refusal(400, "NotSymlink", "The object is not symlink.", "0043-00000101")


def invalid_tag(message: str, ec: str = "") -> RefusedError:
    """The tags of an object may not be so. The code is documented, messages are a guess."""
    return refusal(400, "InvalidTag", message, ec)

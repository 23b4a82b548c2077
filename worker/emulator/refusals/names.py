"""Refusals of names: of buckets, objects and styles that are not there, may not be called so, or are there already."""

from worker.emulator.refusals.answering import refusal
from worker.oss.refusal import RefusedError


def no_such_bucket(bucket: str) -> RefusedError:
    """The bucket does not exist."""
    return refusal(404, "NoSuchBucket", "The specified bucket does not exist.", "0015-00000101", BucketName=bucket)


def no_such_key(key: str) -> RefusedError:
    """The object does not exist."""
    return refusal(404, "NoSuchKey", "The specified key does not exist.", "0026-00000001", Key=key)


def no_such_source(key: str) -> RefusedError:
    """The object to process does not exist: IMG has an error code of its own for this."""
    return refusal(404, "NoSuchKey", "The specified key does not exist.", "0040-00000024", Key=key)


def no_such_style(name: str) -> RefusedError:
    """The style does not exist on the bucket."""
    return refusal(404, "NoSuchStyle", "The style you get is not found.", StyleName=name)


def invalid_bucket_name(bucket: str) -> RefusedError:
    """The name breaks the naming rules of buckets."""
    return refusal(400, "InvalidBucketName", "The specified bucket is not valid.", BucketName=bucket)


def invalid_object_name(key: str) -> RefusedError:
    """The key breaks the naming rules of objects."""
    return refusal(400, "InvalidObjectName", "The specified object is not valid.", ObjectName=key)


def invalid_style() -> RefusedError:
    """What a style holds is no process of pictures."""
    return refusal(400, "BadRequest", "Style content is invalid.", "0017-00000253")


def invalid_location(location: str) -> RefusedError:
    """There is no such region here."""
    message = "The specified location-constraint is not valid."
    return refusal(400, "InvalidLocationConstraint", message, LocationConstraint=location)


def bucket_already_exists(bucket: str) -> RefusedError:
    """The bucket is there, in another region."""
    message = "The requested bucket name is not available. Please select a different name and try again."
    return refusal(409, "BucketAlreadyExists", message, BucketName=bucket)


def bucket_not_empty(bucket: str) -> RefusedError:
    """The bucket is to be deleted, and there is something in it."""
    message = "The bucket has objects. Please delete them first."
    return refusal(409, "BucketNotEmpty", message, "0015-00000301", BucketName=bucket)


def store_full(capacity: int) -> RefusedError:
    """The store is in memory and has no room: a limit of the local OSS, and a code after which nobody tries again."""
    message = f"A local OSS in memory holds {capacity:,} bytes in all; delete objects, or serve a folder."
    return refusal(400, "EntityTooLarge", message)


def file_already_exists(key: str) -> RefusedError:
    """There is an object under the key, and `x-oss-forbid-overwrite` asks for it to be left."""
    message = "The object you specified already exists and can not be overwritten."
    return refusal(409, "FileAlreadyExists", message, "0026-00000002", Key=key)


def too_many_styles(limit: int) -> RefusedError:
    """The bucket has as many styles as it may. Code and message are a guess; the limit is documented."""
    return refusal(400, "InvalidArgument", f"A bucket has at most {limit} styles.")

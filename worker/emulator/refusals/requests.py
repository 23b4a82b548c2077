"""Refusals of requests that are broken, make no sense, ask for what is not done here, or come at a bad time."""

from worker.emulator.refusals.answering import refusal
from worker.oss.refusal import RefusedError

MALFORMED_XML = "0015-00000231"  # EC


def invalid_argument(name: str, value: str, message: str, ec: str = "") -> RefusedError:
    """An argument of the request is wrong."""
    return refusal(400, "InvalidArgument", message, ec, ArgumentName=name, ArgumentValue=value)


def missing_argument(name: str, ec: str = "") -> RefusedError:
    """An argument that the operation needs is not there. Recorded of Content-MD5."""
    return refusal(400, "MissingArgument", "Missing Some Required Arguments.", ec, ArgumentName=name)


def invalid_request(message: str) -> RefusedError:
    """The request makes no sense as a whole."""
    return refusal(400, "InvalidRequest", message)


def invalid_digest(provided: str) -> RefusedError:
    """The body does not have the MD5 that its Content-MD5 says."""
    message = "The Content-MD5 you specified was invalid."
    return refusal(400, "InvalidDigest", message, **{"Content-MD5": provided})


def too_large(limit: int) -> RefusedError:
    """The body is larger than the local OSS takes."""
    message = "Your proposed upload exceeds the maximum allowed object size."
    return refusal(400, "EntityTooLarge", message, MaxSizeAllowed=str(limit))


def too_much_metadata(limit: int) -> RefusedError:
    """The headers to keep with an object are too large. EC by its page; Code and message are a guess."""
    message = f"The metadata of an object has at most {limit} bytes."
    return refusal(400, "InvalidArgument", message, "0011-00000002")


def malformed_xml(ec: str = MALFORMED_XML) -> RefusedError:
    """The body is not the document that the operation needs."""
    message = "The XML you provided was not well-formed or did not validate against our published schema."
    return refusal(400, "MalformedXML", message, ec)


def malformed_request() -> RefusedError:
    """What came in is no HTTP request, or its line or headers are too long."""
    return refusal(400, "InvalidRequest", "The request is no HTTP request, or its line or headers are too long.")


def incomplete_body() -> RefusedError:
    """The connection or the encoding of the body broke off."""
    return refusal(400, "IncompleteBody", "The request body is incomplete.")


def request_timeout() -> RefusedError:
    """The client has stopped sending before the end of its body."""
    message = "Your socket connection to the server was not read from or written to within the timeout period."
    return refusal(400, "RequestTimeout", message)


def precondition_failed(condition: str) -> RefusedError:
    """An If-Match or If-Unmodified-Since does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return refusal(412, "PreconditionFailed", message, Condition=condition)


def invalid_range(size: int) -> RefusedError:
    """No byte of the object lies in the range; only asked for with `x-oss-range-behavior: standard`."""
    error = refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
    error.headers = (("Content-Range", f"bytes */{size}"),)
    return error


def not_implemented(what: str) -> RefusedError:
    """The local OSS does not do this, though the service may: said by name, never passed over."""
    return refusal(501, "NotImplemented", f"The local OSS does not implement {what}.")


def limited(http: int, code: str, message: str, ec: str = "", retry_after: str = "") -> RefusedError:
    """The service has no room for this request now; or whatever a rule of faults wants to be said."""
    error = refusal(http, code, message, ec)
    if retry_after:
        error.headers = (("Retry-After", retry_after),)
    return error


def internal_error() -> RefusedError:
    """The local OSS failed: a bug of it."""
    return refusal(500, "InternalError", "The local OSS failed on this request; its log says why.")

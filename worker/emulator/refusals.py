"""The refusals of the service, one constructor each, and the XML they are answered with.

Sources: OSS, "Error responses" and the pages of each HTTP status; recorded answers of the service.
"""

from worker.emulator.xml import branch, document, leaf, printable
from worker.oss.refusal import Refusal, RefusedError


class DetailedRefusalError(RefusedError):
    """A refusal with further elements in its body (`details`, and `more` already written) and further headers."""

    def __init__(
        self,
        refusal: Refusal,
        details: tuple[tuple[str, str], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        more: tuple[str, ...] = (),
    ) -> None:
        super().__init__(refusal)
        self.more = more
        self.details = details
        self.headers = headers


def error_document(error: RefusedError, *, request_id: str, host: str) -> bytes:
    """The body of an error answer. The order of its elements is the recorded one."""
    refusal = error.refusal
    details, more = (error.details, error.more) if isinstance(error, DetailedRefusalError) else ((), ())
    nodes = [
        leaf("Code", refusal.code),
        leaf("Message", printable(refusal.message)),
        leaf("RequestId", request_id),
        leaf("HostId", printable(host)),
        *(leaf(name, printable(text)) for name, text in details),
        *more,
    ]
    if refusal.ec:
        nodes += [
            leaf("EC", refusal.ec),
            leaf("RecommendDoc", f"https://api.aliyun.com/troubleshoot?q={refusal.ec}"),
        ]
    return document("Error", *nodes)


def _refuse(http: int, code: str, message: str, ec: str = "", **details: str) -> DetailedRefusalError:
    return DetailedRefusalError(Refusal(http, code, message, ec), tuple(details.items()))


def no_such_bucket(bucket: str) -> RefusedError:
    """The bucket does not exist."""
    return _refuse(404, "NoSuchBucket", "The specified bucket does not exist.", "0015-00000101", BucketName=bucket)


def no_such_key(key: str) -> RefusedError:
    """The object does not exist."""
    return _refuse(404, "NoSuchKey", "The specified key does not exist.", "0026-00000001", Key=key)


def no_such_source(key: str) -> RefusedError:
    """The object to process does not exist: IMG has an error code of its own for this."""
    return _refuse(404, "NoSuchKey", "The specified key does not exist.", "0040-00000024", Key=key)


def no_such_style(name: str) -> RefusedError:
    """The style does not exist on the bucket."""
    return _refuse(404, "NoSuchStyle", "The style you get is not found.", StyleName=name)


def invalid_bucket_name(bucket: str) -> RefusedError:
    """The name breaks the naming rules of buckets."""
    return _refuse(400, "InvalidBucketName", "The specified bucket is not valid.", BucketName=bucket)


def invalid_object_name(key: str) -> RefusedError:
    """The key breaks the naming rules of objects."""
    return _refuse(400, "InvalidObjectName", "The specified object is not valid.", ObjectName=key)


def invalid_style() -> RefusedError:
    """What a style holds is no process of pictures."""
    return _refuse(400, "BadRequest", "Style content is invalid.", "0017-00000253")


def invalid_argument(name: str, value: str, message: str, ec: str = "") -> RefusedError:
    """An argument of the request is wrong."""
    return _refuse(400, "InvalidArgument", message, ec, ArgumentName=name, ArgumentValue=value)


def invalid_request(message: str) -> RefusedError:
    """The request makes no sense as a whole."""
    return _refuse(400, "InvalidRequest", message)


def invalid_digest(provided: str) -> RefusedError:
    """The body does not have the MD5 that its Content-MD5 says."""
    message = "The Content-MD5 you specified was invalid."
    return _refuse(400, "InvalidDigest", message, **{"Content-MD5": provided})


def too_large(limit: int) -> RefusedError:
    """The body is larger than the local OSS takes."""
    message = "Your proposed upload exceeds the maximum allowed object size."
    return _refuse(400, "EntityTooLarge", message, MaxSizeAllowed=str(limit))


def file_already_exists(key: str) -> RefusedError:
    """There is an object under the key, and `x-oss-forbid-overwrite` asks for it to be left."""
    message = "The object you specified already exists and can not be overwritten."
    return _refuse(409, "FileAlreadyExists", message, "0026-00000002", Key=key)


def malformed_xml() -> RefusedError:
    """The body is not the document that the operation needs."""
    message = "The XML you provided was not well-formed or did not validate against our published schema."
    return _refuse(400, "MalformedXML", message, "0015-00000231")


def too_many_styles(limit: int) -> RefusedError:
    """The bucket has as many styles as it may. Code and message are a guess; the limit is documented."""
    return _refuse(400, "InvalidArgument", f"A bucket has at most {limit} styles.")


def request_timeout() -> RefusedError:
    """The client has stopped sending before the end of its body."""
    message = "Your socket connection to the server was not read from or written to within the timeout period."
    return _refuse(400, "RequestTimeout", message)


def malformed_request() -> RefusedError:
    """What came in is no HTTP request, or its line or headers are too long."""
    return _refuse(400, "InvalidRequest", "The request is no HTTP request, or its line or headers are too long.")


def incomplete_body() -> RefusedError:
    """The connection or the encoding of the body broke off."""
    return _refuse(400, "IncompleteBody", "The request body is incomplete.")


def precondition_failed(condition: str) -> RefusedError:
    """An If-Match or If-Unmodified-Since does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return _refuse(412, "PreconditionFailed", message, Condition=condition)


def invalid_range(size: int) -> RefusedError:
    """No byte of the object lies in the range; only asked for with `x-oss-range-behavior: standard`."""
    error = _refuse(416, "InvalidRange", "The requested range cannot be satisfied.")
    error.headers = (("Content-Range", f"bytes */{size}"),)
    return error


def not_implemented(what: str) -> RefusedError:
    """The local OSS does not do this, though the service may: said by name, never passed over."""
    return _refuse(501, "NotImplemented", f"The local OSS does not implement {what}.")


def path_style_forbidden() -> RefusedError:
    """The service's own domain takes virtual-hosted requests only."""
    return _refuse(403, "SecondLevelDomainForbidden", "Please use virtual hosted style to access.")


def access_denied(message: str, ec: str = "", **details: str) -> RefusedError:
    """This request may not be made."""
    return _refuse(403, "AccessDenied", message, ec, **details)


def not_permitted(action: str, *, on_object: bool, explicit: bool) -> RefusedError:
    """No policy allows the action (or, `explicit`, one denies it).

    Sources: pages of the error codes 0003-00000001, -201 and -202.
    """
    if explicit:
        message, ec = "Access denied by bucket policy.", "0003-00000201"
    elif action == "oss:PutBucket":
        message, ec = "You have no right to access this bucket.", "0003-00000202"
    elif on_object:
        message, ec = "You have no right to access this object because of bucket acl.", "0003-00000001"
    else:
        message, ec = "The bucket you access does not belong to you.", "0003-00000001"
    error = _refuse(403, "AccessDenied", message, ec)
    detail = (
        leaf("PolicyType", "AccountLevelIdentityBasedPolicy"),
        leaf("NoPermissionType", "ExplicitDeny" if explicit else "ImplicitDeny"),
        leaf("AuthAction", action),
    )
    error.more = (branch("AccessDeniedDetail", *detail),)
    return error


def elsewhere(bucket: str, region: str) -> RefusedError:
    """The bucket is in another region than the endpoint that was asked. The EC is not known."""
    message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    return _refuse(403, "AccessDenied", message, Bucket=bucket, Endpoint=f"oss-{region}.aliyuncs.com")


def target_elsewhere() -> RefusedError:
    """The target of `sys/saveas` is in another region than its source.

    A guess: this is the documented refusal of CopyObject. Of saveas older pages say 400, without Code.
    """
    return _refuse(403, "AccessDenied", "Target object does not reside in the same data center as source object.")


def bucket_already_exists(bucket: str) -> RefusedError:
    """The bucket is there, in another region."""
    message = "The requested bucket name is not available. Please select a different name and try again."
    return _refuse(409, "BucketAlreadyExists", message, BucketName=bucket)


def invalid_location(location: str) -> RefusedError:
    """There is no such region here."""
    message = "The specified location-constraint is not valid."
    return _refuse(400, "InvalidLocationConstraint", message, LocationConstraint=location)


def disabled_access_key(access_key_id: str) -> RefusedError:
    """The access key is there, but disabled."""
    message = "The OSS Access Key Id you provided is disabled."
    return _refuse(403, "InvalidAccessKeyId", message, OSSAccessKeyId=access_key_id)


def limited(http: int, code: str, message: str, ec: str = "", retry_after: str = "") -> RefusedError:
    """The service has no room for this request now; or whatever a rule of faults wants to be said."""
    error = _refuse(http, code, message, ec)
    if retry_after:
        error.headers = (("Retry-After", retry_after),)
    return error


def security_token_expired() -> RefusedError:
    """The security token was good once."""
    return _refuse(403, "SecurityTokenExpired", "The security token you provided has expired.")


def invalid_access_key(access_key_id: str) -> RefusedError:
    """There is no such access key."""
    message = "The OSS Access Key Id you provided does not exist in our records."
    return _refuse(403, "InvalidAccessKeyId", message, "0002-00000902", OSSAccessKeyId=access_key_id)


def invalid_security_token() -> RefusedError:
    """The security token is not the one of this access key. It is a secret: not repeated."""
    return _refuse(403, "InvalidSecurityToken", "The security token you provided is invalid.")


def signature_does_not_match(access_key_id: str, provided: str, string_to_sign: str) -> RefusedError:
    """The signature is another. The text that was signed here is told, so that the two can be compared."""
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    return _refuse(
        403,
        "SignatureDoesNotMatch",
        message,
        "0002-00000040",
        OSSAccessKeyId=access_key_id,
        SignatureProvided=provided,
        StringToSign=string_to_sign,
        StringToSignBytes=string_to_sign.encode().hex(" ").upper(),
    )


def time_too_skewed(request_time: str, server_time: str) -> RefusedError:
    """The request was signed more than 15 minutes ago, or will be."""
    message = "The difference between the request time and the current time is too large."
    return _refuse(
        403, "RequestTimeTooSkewed", message, "0002-00000504", RequestTime=request_time, ServerTime=server_time
    )


def internal_error() -> RefusedError:
    """The local OSS failed: a bug of it."""
    return _refuse(500, "InternalError", "The local OSS failed on this request; its log says why.")


def unsupported_picture() -> RefusedError:
    """The source is no picture, or none of a format that is processed."""
    return _refuse(400, "BadRequest", "This image format is not supported.", "0040-00000005")


def damaged_picture(picture_format: str) -> RefusedError:
    """The source breaks off or contradicts itself. WebP has a code of its own."""
    if picture_format == "webp":
        return _refuse(400, "BadWebPImage", "The webp image file may be damaged.")
    return _refuse(400, "ImageDamage", "The image file may be damaged.")


def picture_too_large(limit: int) -> RefusedError:
    """The source has too many bytes."""
    return _refuse(400, "ImageTooLarge", f"Maximal size of image supported is {limit}", "0040-00000001")


def too_many_pixels(ec: str) -> RefusedError:
    """The source has a side that is too long, or too many pixels over all frames."""
    return _refuse(400, "MemLimitExceeded", "The image has too many pixels.", ec)


def result_too_large(ec: str = "0040-00000007") -> RefusedError:
    """The result would have a side that is too long, or too many pixels."""
    return _refuse(400, "InvalidArgument", "The size of the result exceeds the limit.", ec)


def beyond_rotation() -> RefusedError:
    """The picture is too large to be rotated."""
    return _refuse(400, "BadRequest", "Picture exceed the maximum allowable rotation range", "0040-00000006")


def cut_beyond_edge() -> RefusedError:
    """A crop begins outside the picture. Recorded so, without EC, though the documentation says BadRequest."""
    return _refuse(400, "CutEdgeExceedRange", "Advance cut's position is out of image.")


def not_for_gif(action: str) -> RefusedError:
    """The action is documented not to work on GIF; how it is refused is not."""
    return _refuse(400, "BadRequest", f"The action: {action} is not supported for GIF.")


def watermark_error(message: str, ec: str = "") -> RefusedError:
    """A watermark cannot be drawn. The code is documented, the messages are not."""
    return _refuse(400, "WatermarkError", message, ec)


def no_font(characters: str) -> RefusedError:
    """No font of this machine has these characters of a watermark: the local OSS draws no boxes in their place."""
    shown = " ".join(f"{character} (U+{ord(character):04X})" for character in characters[:8])
    return not_implemented(
        f"this text watermark here: no font found on this machine has {shown}. Install one, for example the Debian "
        "package fonts-wqy-zenhei, which has the font that OSS uses by default, and start the local OSS again"
    )

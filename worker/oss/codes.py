"""The codes a failure can have: what each calls for, its cause and its mend. One table for judging and for people.

Sources: OSS, "Error responses" and the pages of each HTTP status; IMG error pages; recorded answers. Codes that begin a
sentence of our own (`Timeout`, `WrongTarget`, ...) are the worker's, for failures that no answer of the service names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Remedy(StrEnum):
    """What a failed attempt calls for."""

    NONE = "none"  # permanent: the same request would fail again
    RETRY = "retry"  # this request is to blame, perhaps: counts to max_attempts
    WAIT = "wait"  # the service or the network is to blame: does not count, ends at task_deadline_s
    FREE = "free"  # once more without counting, then like RETRY
    CLOCK = "clock"  # once more with the corrected clock
    REFRESH = "refresh"  # once more with fresh credentials


class Excess(StrEnum):
    """Of what there was too much, by what a failure says."""

    AT_ONCE = "at once"  # requests in flight: pictures in process, connections, answers that do not come in time
    REQUESTS = "requests"  # in a second
    BYTES = "bytes"  # read in a second


@dataclass(frozen=True, slots=True)
class Code:
    """What is known about a code, in one sentence each."""

    remedy: Remedy
    cause: str
    mend: str


_LATER = "Nothing: the worker waits and tries again. If it lasts, lower"
_TABLE = {
    # Refused for what is asked.
    "InvalidArgument": (
        Remedy.NONE,
        "A value of the process is out of its range, or the action does not exist.",
        "Correct the pipeline; `oss-saveas validate` names the place.",
    ),
    "MissingArgument": (
        Remedy.NONE,
        "An action lacks a parameter it needs.",
        "Correct the pipeline; `oss-saveas validate` names the place.",
    ),
    "BadRequest": (
        Remedy.NONE,
        "The source is no picture that OSS can process, or a value is not base64.",
        "Look at the source; leave such keys out with `exclude`.",
    ),
    "InvalidRequest": (Remedy.NONE, "The process is empty or malformed.", "Correct the pipeline."),
    "CutEdgeExceedRange": (
        Remedy.NONE,
        "A crop begins outside the picture.",
        "Use smaller offsets, or leave small pictures out with `min_size`.",
    ),
    "TooManyPipes": (Remedy.NONE, "The process chains too many processors with '|'.", "Use at most 5 pipes."),
    "WatermarkError": (
        Remedy.NONE,
        "The watermark cannot be drawn.",
        "Check that the watermark image exists in the source bucket and is a picture.",
    ),
    "ImageTooLarge": (
        Remedy.NONE,
        "The source is over the size that OSS processes (20 MB unless raised by ticket).",
        "Set `max_size: 20MB`, or have the limit raised.",
    ),
    "MemLimitExceeded": (
        Remedy.NONE,
        "The source has too many pixels (250 million over all frames).",
        "Leave the source out.",
    ),
    "ImageDamage": (Remedy.NONE, "The source is damaged.", "Replace the source; it is tried again when it changes."),
    "BadWebPImage": (Remedy.NONE, "The WebP source is damaged.", "Replace the source."),
    "InvalidBucketName": (Remedy.NONE, "The bucket's name breaks the naming rules.", "Correct the manifest."),
    "InvalidObjectName": (Remedy.NONE, "The key breaks the naming rules.", "Correct the key or the target template."),
    "NotImplemented": (
        Remedy.NONE,
        "The service, or the local OSS, does not support what was asked.",
        "The message names it. The local OSS lists what it supports in the README.",
    ),
    "MethodNotAllowed": (Remedy.NONE, "The resource does not allow this operation.", "Check the endpoint."),
    "NoSuchKey": (
        Remedy.NONE,
        "The source does not exist (any more).",
        "Correct the list of sources, or put the object there.",
    ),
    "NoSuchBucket": (Remedy.NONE, "The bucket does not exist.", "Create the bucket, or correct its name."),
    "NoSuchStyle": (
        Remedy.NONE,
        "The style is not defined on the source bucket.",
        "Create the style on the source bucket, or correct its name.",
    ),
    # Refused for who asks.
    "AccessDenied": (
        Remedy.NONE,
        "These credentials may not do this.",
        "Allow what `oss-saveas policy` prints, such as oss:GetObject on sources and oss:PutObject on targets.",
    ),
    "SignatureDoesNotMatch": (
        Remedy.NONE,
        "The secret does not belong to the access key id, or something changed the request on its way.",
        "Check the secret; then any proxy in between.",
    ),
    "InvalidAccessKeyId": (
        Remedy.NONE,
        "The access key id does not exist or is disabled.",
        "Check the credentials; a temporary key also needs its security token.",
    ),
    "SecondLevelDomainForbidden": (
        Remedy.NONE,
        "The service accepts virtual-hosted requests only.",
        "Set `addressing: virtual`.",
    ),
    "UserDisable": (Remedy.NONE, "The account is disabled, mostly for an unpaid bill.", "See the billing console."),
    "InvalidSecurityToken": (
        Remedy.REFRESH,
        "The security token is invalid.",
        "Get new temporary credentials.",
    ),
    "SecurityTokenExpired": (
        Remedy.REFRESH,
        "The security token has expired.",
        "Get new temporary credentials.",
    ),
    "RequestTimeTooSkewed": (
        Remedy.CLOCK,
        "This machine's clock is more than 15 minutes off.",
        "Set the clock. The worker corrects its own by the service's answers.",
    ),
    # Throttled.
    "QpsLimitExceeded": (
        Remedy.WAIT,
        "More image processing requests per second than the account's quota.",
        f"{_LATER} `limits.requests_per_second`, or have the quota raised.",
    ),
    "TotalQpsLimitExceeded": (
        Remedy.WAIT,
        "More requests per second than the account may send (10,000; 2,000 with sequential key names).",
        f"{_LATER} `limits.requests_per_second`, and do not begin keys with a counter or a date.",
    ),
    "CpuLimitExceeded": (
        Remedy.WAIT,
        "Pictures being processed at once use more CPU cores than the account may.",
        f"{_LATER} `limits.concurrency`.",
    ),
    "ActiveRequestLimitExceeded": (
        Remedy.WAIT,
        "Too many requests at once.",
        f"{_LATER} `limits.concurrency`.",
    ),
    "DownloadTrafficRateLimitExceeded": (
        Remedy.WAIT,
        "More bytes per second are read than allowed.",
        f"{_LATER} `limits.source_mb_per_second`.",
    ),
    "UploadTrafficRateLimitExceeded": (
        Remedy.WAIT,
        "More bytes per second are written than allowed.",
        f"{_LATER} `limits.requests_per_second`.",
    ),
    "MetaOperationQpsLimitExceeded": (
        Remedy.WAIT,
        "Too many operations on metadata per second.",
        f"{_LATER} `limits.requests_per_second`.",
    ),
    "ServiceUnavailable": (
        Remedy.WAIT,
        "The service is overloaded, or out of order, for the moment.",
        f"{_LATER} `limits.concurrency`; where nothing is accepted any more, the service's status page tells.",
    ),
    "InvalidDigest": (
        Remedy.RETRY,
        "What arrived is not what was sent: the MD5 differs. Nothing was saved.",
        "Run again; if it lasts, look at any proxy in between.",
    ),
    "InternalError": (
        Remedy.RETRY,
        "The service failed on this request.",
        "Run again later; report the request id to the service if it lasts.",
    ),
    # The worker's own.
    "BadRow": (
        Remedy.NONE,
        "A row of a list or table cannot be made into a task; nothing was sent for it.",
        "Correct the row; the message names its place and what is wrong.",
    ),
    "TargetExists": (
        Remedy.NONE,
        "The manifest says `existing: fail`, and the target exists though this job's log does not know it.",
        "Delete the target, choose another template, or set `existing: replace` or `skip`.",
    ),
    "WrongTarget": (
        Remedy.NONE,
        "The service says that it saved another object than was asked for.",
        "Please report: the worker and the service disagree about the encoding of this key.",
    ),
    "UnreadableAnswer": (
        Remedy.RETRY,
        "The answer was a success but its body is not the documented one.",
        "Check that no proxy answers in place of the service.",
    ),
    "NotSaved": (
        Remedy.RETRY,
        "The answer was a success but did not say that the picture was saved.",
        "Run again; report the request id to the service if it lasts.",
    ),
    "WrongETag": (
        Remedy.RETRY,
        "The service says that it has put a picture, and its ETag is not the MD5 of what was sent.",
        "Look at any proxy in between, and at the encryption of the bucket: with a key of KMS an ETag may be no MD5.",
    ),
    "ConnectionFailed": (
        Remedy.WAIT,
        "No connection: refused, unreachable, or the name of the host does not resolve.",
        "Check the endpoint, DNS and the network policy.",
    ),
    "ConnectTimeout": (
        Remedy.WAIT,
        "No connection within timeout.connect_s.",
        "Check the endpoint and the network policy.",
    ),
    "ConnectionLost": (
        Remedy.RETRY,
        "The connection broke before the answer was complete.",
        "Nothing, if it is rare: the worker tries again.",
    ),
    "StaleConnection": (
        Remedy.FREE,
        "The server closed a kept connection just as it was used again.",
        "Nothing: the worker tries again on another connection.",
    ),
    "Timeout": (
        Remedy.RETRY,
        "No complete answer within timeout.total_s.",
        "Raise `timeout.total_s` if sources are large.",
    ),
    "PictureTooLarge": (
        Remedy.NONE,
        "The processed picture is larger than 100 MB, the most that `save: relay` carries.",
        "Use a smaller size or quality, or `save: saveas` to a bucket in the region of the sources.",
    ),
    "TemporaryFull": (
        Remedy.WAIT,
        "The directory of temporary files ($TMPDIR) has no room for a picture on its way, or cannot be written.",
        "Make room there, or lower `limits.concurrency`: each relay holds one picture.",
    ),
    "AnswerTooLarge": (Remedy.RETRY, "The answer is far larger than this operation answers.", "Check the endpoint."),
    "CredentialsUnavailable": (
        Remedy.WAIT,
        "No valid access key: where keys come from does not answer, refuses, or cannot be read. Nothing was sent.",
        "The message says why; docs/credentials.md has each source and its mend.",
    ),
    "TlsFailed": (
        Remedy.NONE,
        "The certificate of the endpoint cannot be verified.",
        "Set `transport.ca_file` to your own authority's certificate, or correct the endpoint.",
    ),
}
CODES: Mapping[str, Code] = MappingProxyType({name: Code(*entry) for name, entry in _TABLE.items()})

_BY_STATUS = {
    408: Remedy.RETRY,
    429: Remedy.WAIT,
    500: Remedy.RETRY,
    502: Remedy.RETRY,
    503: Remedy.WAIT,
    504: Remedy.RETRY,
}
_EXCESS = {
    "QpsLimitExceeded": Excess.REQUESTS,
    "TotalQpsLimitExceeded": Excess.REQUESTS,
    "MetaOperationQpsLimitExceeded": Excess.REQUESTS,
    "UploadTrafficRateLimitExceeded": Excess.REQUESTS,
    "DownloadTrafficRateLimitExceeded": Excess.BYTES,
    "Timeout": Excess.AT_ONCE,
    "TemporaryFull": Excess.AT_ONCE,
}
_EXCESS_BY_STATUS = {429: Excess.REQUESTS, 503: Excess.AT_ONCE, 504: Excess.AT_ONCE}
NO_KEY = "CredentialsUnavailable"
NO_ROOM = "TemporaryFull"  # on this machine: the service has not declined anything
UNREACHABLE = frozenset({"ConnectionFailed", "ConnectTimeout", NO_KEY})
CREDENTIAL_CODES = frozenset(
    {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSecurityToken", "SecurityTokenExpired"}
)
_THROTTLING_STATUSES = frozenset({"Http429", "Http503"})  # what has no readable code
# What concerns every task, not this picture: permission, recipe, bucket, style.
SYSTEMIC = (
    CREDENTIAL_CODES
    | {"AccessDenied", "UserDisable", "SecondLevelDomainForbidden", "MethodNotAllowed", "NotImplemented", "TlsFailed"}
    | {"InvalidArgument", "MissingArgument", "InvalidRequest", "TooManyPipes", "WatermarkError"}
    | {"NoSuchBucket", "InvalidBucketName", "NoSuchStyle", "RequestTimeTooSkewed", "WrongETag"}
)


def remedy(code: str, http: int) -> Remedy:
    """What a failure with this code and HTTP status calls for; `http` 0 is no answer, or one that the worker judged.

    BadRequest is permanent, unlike in the SDKs: IMG answers it for broken pictures.
    """
    known = CODES.get(code)
    # A wrong clock and an expired token come with 403, what the way has changed with 400: else these are permanent.
    if known is not None and (
        not http or known.remedy in (Remedy.CLOCK, Remedy.REFRESH) or (http == 400 and code == "InvalidDigest")
    ):
        return known.remedy
    # A retryable status is the service's trouble, whatever the code; a code may say more of which trouble it is.
    if http in _BY_STATUS:
        return _BY_STATUS[http] if known is None or known.remedy is Remedy.NONE else known.remedy
    return Remedy.NONE


def throttles(code: str) -> bool:
    """Whether an attempt that failed with this code was one too many, whatever there was too much of."""
    known = CODES.get(code)
    return code in _THROTTLING_STATUSES or (
        known is not None and known.remedy is Remedy.WAIT and code not in UNREACHABLE and code != NO_ROOM
    )


def excess(code: str, http: int) -> Excess | None:
    """Of what there was too much, if a failure says so: a throttling answer, or a timeout here or at a gateway."""
    if http and http not in _EXCESS_BY_STATUS:  # else such a code is not believed
        return None
    return _EXCESS.get(code) or _EXCESS_BY_STATUS.get(http)

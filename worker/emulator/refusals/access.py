"""Refusals of who asks, and where: keys, signatures, tokens, rights, regions."""

from worker.emulator.refusals.answering import refusal
from worker.emulator.xml import branch, leaf
from worker.oss.refusal import RefusedError


def path_style_forbidden() -> RefusedError:
    """The service's own domain takes virtual-hosted requests only."""
    return refusal(403, "SecondLevelDomainForbidden", "Please use virtual hosted style to access.")


def access_denied(message: str, ec: str = "", **details: str) -> RefusedError:
    """This request may not be made."""
    return refusal(403, "AccessDenied", message, ec, **details)


def not_signed(action: str) -> RefusedError:
    """Nobody has signed, and no ACL lets anybody do it. The ACL of an object has a message of its own (documented)."""
    if action == "oss:GetObjectAcl":
        return access_denied("You do not have read acl permission on this object.", "0003-00000007")
    return access_denied("You have no right to access this object because of bucket acl.", "0003-00000001")


def not_permitted(action: str, *, on_object: bool, explicit: bool) -> RefusedError:
    """No policy allows the action (or, `explicit`, one denies it).

    Sources: pages of the error codes 0003-00000001, -201 and -202.
    """
    if explicit:
        message, ec = "Access denied by bucket policy.", "0003-00000201"
    elif action == "oss:PutBucket":
        message, ec = "You have no right to access this bucket.", "0003-00000202"
    elif action == "oss:GetObjectAcl":
        message, ec = "You do not have read acl permission on this object.", "0003-00000007"
    elif on_object:
        message, ec = "You have no right to access this object because of bucket acl.", "0003-00000001"
    else:
        message, ec = "The bucket you access does not belong to you.", "0003-00000001"
    error = refusal(403, "AccessDenied", message, ec)
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
    return refusal(403, "AccessDenied", message, Bucket=bucket, Endpoint=f"oss-{region}.aliyuncs.com")


def target_elsewhere() -> RefusedError:
    """The target of `sys/saveas` is in another region than its source.

    A guess: this is the documented refusal of CopyObject. Of saveas older pages say 400, without Code.
    """
    return refusal(403, "AccessDenied", "Target object does not reside in the same data center as source object.")


def invalid_access_key(access_key_id: str) -> RefusedError:
    """There is no such access key."""
    message = "The OSS Access Key Id you provided does not exist in our records."
    return refusal(403, "InvalidAccessKeyId", message, "0002-00000902", OSSAccessKeyId=access_key_id)


def disabled_access_key(access_key_id: str) -> RefusedError:
    """The access key is there, but disabled."""
    message = "The OSS Access Key Id you provided is disabled."
    return refusal(403, "InvalidAccessKeyId", message, OSSAccessKeyId=access_key_id)


def invalid_security_token() -> RefusedError:
    """The security token is not the one of this access key. It is a secret: not repeated."""
    return refusal(403, "InvalidSecurityToken", "The security token you provided is invalid.")


def security_token_expired() -> RefusedError:
    """The security token was good once."""
    return refusal(403, "SecurityTokenExpired", "The security token you provided has expired.")


def signature_does_not_match(access_key_id: str, provided: str, string_to_sign: str) -> RefusedError:
    """The signature is another. The text that was signed here is told, so that the two can be compared."""
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    return refusal(
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
    return refusal(
        403, "RequestTimeTooSkewed", message, "0002-00000504", RequestTime=request_time, ServerTime=server_time
    )

"""Credentials from environment variables."""

from collections.abc import Mapping

from worker.errors import UsageError
from worker.oss.signing import Credentials

# In this order; the third is the security token of a temporary key. The first family is that of the OSS SDKs, the
# second that of Alibaba Cloud's credentials library.
_FAMILIES = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
)


def credentials_from(environ: Mapping[str, str], setting: str) -> tuple[Credentials, str]:
    """The credentials that the environment holds, and the name of the variables they came from.

    Raises:
        UsageError: There are none, they are not complete, or `setting` asks for a provider that is not there.
    """
    if setting not in ("auto", "env"):
        reason = f"credentials: {setting} is not supported in this version"
        raise UsageError(reason, "use `env` and set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET")
    for key_id, secret, token in _FAMILIES:
        if environ.get(key_id) or environ.get(secret):
            missing = next((name for name in (key_id, secret) if not environ.get(name)), None)
            if missing:
                reason = f"{missing} is not set, though the other half of the access key is"
                raise UsageError(reason, f"set {key_id} and {secret}")
            found = (environ[key_id].strip(), environ[secret].strip(), environ.get(token, "").strip())
            if not all(value.isascii() and value.isprintable() for value in found):
                reason = f"{key_id} or {secret} holds characters that no access key has"
                raise UsageError(reason, "copy the key again, without quotes or line breaks")
            return Credentials(*found), key_id.removesuffix("_ID") + "_*"
    mend = "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN for a temporary key)"
    raise UsageError("no credentials in the environment", mend)

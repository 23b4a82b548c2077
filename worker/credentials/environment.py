"""Access keys in environment variables."""

from worker.credentials.source import Fixed, Surroundings, access_key
from worker.errors import UsageError

# In this order; the third is the security token of a temporary key. The first family is that of the OSS SDKs, the
# second that of Alibaba Cloud's credentials library.
FAMILIES = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
)
MEND = "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN for a temporary key)"


def from_environment(surroundings: Surroundings) -> Fixed | None:
    """The key that the environment holds; None if none.

    Raises:
        UsageError: It is half there, or cannot be one.
    """
    value = surroundings.value
    for key_id, secret, token in FAMILIES:
        if value(key_id) or value(secret):
            missing = next((name for name in (key_id, secret) if not value(name)), None)
            if missing:
                reason = f"{missing} is not set, though the other half of the access key is"
                raise UsageError(reason, f"set {key_id} and {secret}")
            key = access_key(value(key_id), value(secret), value(token), f"{key_id} or {secret}")
            return Fixed(key_id.removesuffix("_ID") + "_*", key)
    return None

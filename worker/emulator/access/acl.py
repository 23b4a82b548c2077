"""Access control lists: what they let anybody do, signed or not. Sources: OSS, "Bucket ACL", "Object ACL"."""

from worker.emulator.store import ACL, Store

# Documented of objects. That everybody can list a bucket that everybody may read is a guess, though widely told.
_READ = frozenset({"oss:GetObject", "oss:ListObjects"})
_WRITE = frozenset({"oss:PutObject", "oss:DeleteObject", "oss:AbortMultipartUpload"})


def can_grant(action: str) -> bool:
    """Whether there is an ACL that lets anybody do something."""
    return grants(ACL.PUBLIC_READ_WRITE, action)


def grants(acl: ACL, action: str) -> bool:
    """Whether an ACL lets anybody do something."""
    match acl:
        case ACL.PUBLIC_READ:
            return action in _READ
        case ACL.PUBLIC_READ_WRITE:
            return action in _READ | _WRITE
        case _:
            return False


def acl_of(store: Store, bucket: str, key: str) -> ACL:
    """What holds for an object, or without a key for a bucket: an object's own ACL goes before that of its bucket."""
    found = store.bucket(bucket)
    if found is None:
        return ACL.PRIVATE
    stored = store.stat(bucket, key) if key else None
    if stored is None or stored.description.acl is ACL.DEFAULT:
        return found.acl
    return stored.description.acl

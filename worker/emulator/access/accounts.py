"""Access keys of the local OSS: their secrets, their policies, and how long they are good for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from worker.emulator.access.policy import FULL_ACCESS, Policy
from worker.oss.signing import Credentials


@dataclass(frozen=True, slots=True)
class Account:
    """An access key. Without policies of its own it may do everything, as the owner may; `()` may do nothing.

    With a security token it is a temporary one, from `expires` on it is refused (SecurityTokenExpired).
    """

    credentials: Credentials
    policies: tuple[Policy, ...] = (FULL_ACCESS,)
    disabled: bool = False
    expires: datetime | None = None


ANONYMOUS = Account(Credentials("", ""), policies=())  # who does not sign may do what ACLs let anybody do


@dataclass(frozen=True, slots=True)
class Access:
    """What a policies file says: the access keys, and in which region which buckets are."""

    accounts: tuple[Account, ...] = ()
    buckets: Mapping[str, str] = field(default_factory=dict)

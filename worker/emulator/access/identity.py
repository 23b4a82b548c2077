"""Who sent a request, and what they may do."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.access.accounts import ANONYMOUS, Account
from worker.emulator.access.acl import can_grant, grants
from worker.emulator.access.policy import FULL_ACCESS, Ruling, judge
from worker.emulator.access.rights import BY_KEY, RIGHTS, resource
from worker.emulator.store import ACL
from worker.oss.request import Request


def _all_private(_bucket: str, _key: str) -> ACL:
    return ACL.PRIVATE


@dataclass(frozen=True, slots=True)
class Identity:
    """An account, at the endpoint of a region; `region` is empty where the request does not tell which.

    `acls` tells the ACL that holds for a bucket, or for an object in it.
    """

    account: Account
    region: str = ""
    acls: Callable[[str, str], ACL] = _all_private

    @property
    def anonymous(self) -> bool:
        """Whether nobody has signed."""
        return self.account is ANONYMOUS

    @property
    def unlimited(self) -> bool:
        """Whether it may do everything, which need not be looked up."""
        return self.account.policies == (FULL_ACCESS,)

    def may(self, action: str, bucket: str, key: str, region: str) -> bool:
        """Whether policies alone allow an action on a resource, which is in `region`."""
        return judge(self.account.policies, action, resource(bucket, key, region)) is Ruling.ALLOWED

    def permit(self, action: str, bucket: str, key: str, region: str) -> None:
        """Refuse unless policies or an ACL allow an action on a resource, which is in `region`.

        May block where no policy says anything of what an ACL can allow: it is in the store.
        """
        ruling = judge(self.account.policies, action, resource(bucket, key, region))
        if ruling is Ruling.ALLOWED:
            return
        if ruling is Ruling.IMPLICIT_DENY and can_grant(action) and grants(self.acls(bucket, key), action):
            return
        if self.anonymous:
            raise refusals.not_signed(action)
        raise refusals.not_permitted(action, on_object=bool(key), explicit=ruling is Ruling.EXPLICIT_DENY)

    def permit_operation(self, operation: str, request: Request, region: str) -> None:
        """Refuse unless the account may do all that an operation needs, as far as the request's line tells."""
        for action in () if operation in BY_KEY else RIGHTS[operation]:
            self.permit(action, request.bucket, request.key, region)

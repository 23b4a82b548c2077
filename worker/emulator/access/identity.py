"""Who sent a request, and what they may do."""

from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.access.accounts import Account
from worker.emulator.access.policy import Ruling, judge
from worker.emulator.access.rights import BY_KEY, RIGHTS, resource
from worker.oss.request import Request


@dataclass(frozen=True, slots=True)
class Identity:
    """An account, at the endpoint of a region; `region` is empty where the request does not tell which."""

    account: Account
    region: str = ""

    def permit(self, action: str, bucket: str, key: str, region: str) -> None:
        """Refuse unless the account's policies allow an action on a resource, which is in `region`."""
        ruling = judge(self.account.policies, action, resource(bucket, key, region))
        if ruling is not Ruling.ALLOWED:
            raise refusals.not_permitted(action, on_object=bool(key), explicit=ruling is Ruling.EXPLICIT_DENY)

    def permit_operation(self, operation: str, request: Request, region: str) -> None:
        """Refuse unless the account may do all that an operation needs, as far as the request's line tells."""
        for action in () if operation in BY_KEY else RIGHTS[operation]:
            self.permit(action, request.bucket, request.key, region)

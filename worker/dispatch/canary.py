"""The canary: whether the first results say that the service refuses us altogether."""

from worker.batch.record import Status
from worker.dispatch.decider import Result
from worker.oss.codes import CREDENTIAL_CODES

_DENIED = CREDENTIAL_CODES | {"AccessDenied"}


class Canary:
    """Watches results as they become known, before they are durable: what is sent meanwhile is refused, too.

    Bad credentials are told by one answer; missing permission by `size` of them, or by all where there are fewer. One
    other result says that we are not refused. A `size` of 0 does not watch permissions.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._denials = 0
        self._bad_credentials = False
        self._sings = False

    def hear(self, result: Result) -> None:
        """Take in a result."""
        code = result.error.code if result.status is Status.FAILED and result.error else ""
        self._sings = self._sings or code not in _DENIED
        self._denials += code in _DENIED
        self._bad_credentials = self._bad_credentials or code in CREDENTIAL_CODES

    def is_dead(self, *, ended: bool) -> bool:
        """Whether the run is refused; `ended`: there are no more results to come."""
        if self._sings or not self._denials:
            return False
        return self._bad_credentials or 0 < self._size <= self._denials or (ended and self._size > 0)

"""The canary: whether the first results say that all the others would fail for the same kind of reason."""

from worker.dispatch.decider import Result
from worker.oss.codes import CREDENTIAL_CODES

_DENIED = CREDENTIAL_CODES | {"AccessDenied"}


class Canary:
    """Hears the first results as they become known, before they are durable: what is sent meanwhile fails, too.

    Bad credentials are told by one answer. Everything else by the first `size` results, if none of them is saved and
    none failed for a reason of its own; missing permission also by all results where there are fewer. A `size` of 0
    only watches the credentials.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._heard = 0
        self._denials = 0
        self._bad_credentials = False
        self._sings = False

    def hear(self, result: Result) -> None:
        """Take in a result."""
        error = result.error
        code = error.code if error else ""
        self._sings = self._sings or error is None or not error.systemic
        self._heard += 1
        self._denials += code in _DENIED
        self._bad_credentials = self._bad_credentials or code in CREDENTIAL_CODES

    @property
    def has_heard(self) -> bool:
        """Whether there was any result."""
        return self._heard > 0

    @property
    def is_dead(self) -> bool:
        """Whether the first results all failed, each for a reason that concerns the others, too."""
        return not self._sings and (self._bad_credentials or 0 < self._size <= self._heard)

    def is_refused(self, *, ended: bool) -> bool:
        """Whether the service refuses us altogether; `ended`: there are no more results to come."""
        if self._sings or self._denials < max(self._heard, 1):
            return False
        return self._bad_credentials or 0 < self._size <= self._heard or (ended and self._size > 0)

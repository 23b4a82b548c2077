"""The keyring: the one key of a run, renewed before it expires, by one fetch at a time."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from worker.credentials.source import Lease, Source, in_short
from worker.errors import StoppedError, WorkerError
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, failure

# A key is renewed when a quarter of its life is left, at most this long before its end, as the official SDKs do; and up
# to a quarter of that earlier, so that many processes do not ask at once.
_MARGIN_S = 900.0
_MARGIN_SHARE = 0.25
# So shortly before its end a key is no longer used if a new one is to be had: a request takes time on its way.
_LAST_S = 10.0
_LAST_SHARE = 0.1
# Where nobody says how long a key is valid: so often its source is looked at again.
_LOOK_AGAIN_S = 60.0
# After fetches that failed: how long until the next, doubling. And the shortest time between two because of refusals.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 10.0
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A key, and by the monotonic clock: when it was asked for, is due for renewal, is better not used, and ends."""

    credentials: Credentials
    asked_s: float
    due_s: float
    last_s: float
    end_s: float


class Keyring:
    """Gives everybody the same key. `rng` spreads renewals; `log` hears of what goes wrong, never of a key."""

    def __init__(
        self,
        source: Source,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        log: Callable[..., None],
    ) -> None:
        self._source = source
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._log = log
        self._held: _Held | None = None
        self._task: asyncio.Task[WorkerError | None] | None = None
        self._failure = _unavailable("no key was asked for")
        self._said = ""
        self._failed = 0
        self._not_before_s = -inf

    async def start(self) -> None:
        """Get the first key. An issuer that cannot be reached is only told: requests will wait for it.

        Raises:
            UsageError: What the user set up is wrong.
            AccessError: The issuer refuses.
        """
        error = await self._fetched()
        if error is not None and not isinstance(error, StoppedError):
            raise error

    async def close(self) -> None:
        """End a fetch that is still going on."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def at_hand(self) -> Credentials | None:
        """The key to sign with now, None where it is due for renewal."""
        held = self._held
        return held.credentials if held is not None and self._monotonic() < held.due_s else None

    async def get(self) -> Credentials | Failure:
        """The key to sign with now; waits only where there is none that is valid."""
        if (key := self.at_hand()) is not None:
            return key
        now_s = self._monotonic()
        held = self._held
        if self._task is None and now_s >= self._not_before_s:
            self._task = asyncio.create_task(self._fetch(), name="credentials")
        if held is not None and now_s < held.last_s:
            return held.credentials  # the new key comes beside the work
        if self._task is not None:
            await self._fetched()
        held = self._held
        return held.credentials if held is not None and self._monotonic() < held.end_s else self._failure

    def holds(self, key: Credentials) -> bool:
        """Whether a key is the one in use."""
        return self._held is not None and self._held.credentials == key

    async def renew(self, refused: Credentials) -> bool | Failure:
        """Look for another key, because the service refuses this one; whether there is another now.

        The look is never older than the refusal, and there is at most one a second. If it fails, nobody knows.
        """
        since_s = self._monotonic()
        while (held := self._held) is not None and held.credentials == refused and held.asked_s < since_s:
            waits = self._task is None and self._monotonic() < self._not_before_s
            if waits or await self._fetched(held.asked_s + _SHORTEST_S) is not None:
                return replace(self._failure, message=f"the service refuses the key; {self._failure.message}")
        return not self.holds(refused)

    async def _fetched(self, not_before_s: float = -inf) -> WorkerError | None:
        """Wait for the fetch that is going on, or begin one. Whoever stops waiting stops it for nobody else."""
        if self._task is None:
            self._task = asyncio.create_task(self._fetch(not_before_s), name="credentials")
        return await asyncio.shield(self._task)

    async def _fetch(self, not_before_s: float = -inf) -> WorkerError | None:
        try:
            if (wait_s := not_before_s - self._monotonic()) > 0:
                await self._sleep(wait_s)
            asked_s = self._monotonic()
            lease = await self._source.fetch()
        except WorkerError as error:
            self._has_failed(error)
            return error
        else:
            if not self.holds(lease.credentials):
                self._log("a new key is in use", logging.DEBUG, source=self._source.name, valid_s=lease.lifetime_s)
            self._held = self._judged(lease, asked_s)
            self._failed, self._said, self._not_before_s = 0, "", -inf
            return None
        finally:
            self._task = None

    def _judged(self, lease: Lease, asked_s: float) -> _Held:
        if lease.lifetime_s is None:
            return _Held(lease.credentials, asked_s, asked_s + _LOOK_AGAIN_S, inf, inf)
        end_s = asked_s + lease.lifetime_s
        margin_s = min(_MARGIN_S, lease.lifetime_s * _MARGIN_SHARE) * (1 + self._rng.random() / 4)
        last_s = min(_LAST_S, lease.lifetime_s * _LAST_SHARE)
        return _Held(lease.credentials, asked_s, end_s - margin_s, end_s - last_s, end_s)

    def _has_failed(self, error: WorkerError) -> None:
        now_s, said = self._monotonic(), in_short(error)
        self._failure = _unavailable(said)
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._failed, 10))
        self._failed += 1
        self._not_before_s = now_s + wait_s * (1 + self._rng.random()) / 2
        usable = self._held is not None and now_s < self._held.end_s
        message = "the key could not be renewed, the old one is still used" if usable else "no key could be fetched"
        # The same trouble again is no news.
        level = logging.DEBUG if said == self._said else logging.WARNING
        self._said = said
        self._log(f"{message}; will be tried again", level, source=self._source.name, error=said)


def _unavailable(message: str) -> Failure:
    # Nothing was sent: the target is as it was.
    return replace(failure("CredentialsUnavailable", message), declined=True)

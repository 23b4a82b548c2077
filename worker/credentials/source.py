"""What every source of access keys gives, and the few values and words they share."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from worker.credentials.web import Web
from worker.errors import UsageError, WorkerError
from worker.oss.signing import Credentials

_SHORTEST_HIDDEN = 4


@dataclass(frozen=True, slots=True)
class Lease:
    """A key, and how long it is valid, in seconds from when it was asked for; None where nobody says."""

    credentials: Credentials
    lifetime_s: float | None = None


class Source(Protocol):
    """A place where keys come from; `name` is for people and holds no secret."""

    @property
    def name(self) -> str:
        """What the first line of the log calls it."""

    async def fetch(self) -> Lease:
        """Get the key that is valid now. Takes bounded time.

        Raises:
            UsageError: What the user set up is wrong or not there.
            AccessError: The issuer refuses.
            StoppedError: The issuer cannot be reached, or its answer is no answer.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What sources look at and ask: the environment, HTTP, and the time in UTC."""

    environ: Mapping[str, str] = field(repr=False)  # it may hold secrets
    web: Web
    now: Callable[[], datetime]

    def value(self, name: str) -> str:
        """A variable without blanks around it; empty where it is not set."""
        return self.environ.get(name, "").strip()

    def is_on(self, name: str) -> bool:
        """Whether a variable says true, as the official SDKs read it."""
        return self.value(name).lower() == "true"

    @property
    def home(self) -> str:
        """The home directory of the user."""
        return self.value("HOME") or os.path.expanduser("~")  # noqa: PTH111 - a string, like HOME


@dataclass(frozen=True, slots=True)
class Fixed:
    """A key that is known already."""

    name: str
    credentials: Credentials

    async def fetch(self) -> Lease:
        """The key, for as long as it is accepted."""
        return Lease(self.credentials)


def access_key(key_id: str, secret: str, token: str, place: str) -> Credentials:
    """A key from values that people copied.

    Raises:
        UsageError: It cannot be one; `place` says where it stands. Its values are not shown.
    """
    found = (key_id.strip(), secret.strip(), token.strip())
    if not all(value.isascii() and value.isprintable() for value in found):
        reason = f"{place} holds characters that no access key has"
        raise UsageError(reason, "copy the key again, without quotes or line breaks")
    return Credentials(*found)


def hidden(text: str, *secrets: str) -> str:
    """What somebody else wrote, without the secrets that we told them."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_HIDDEN:
            text = text.replace(secret, "***")
    return text


def in_short(error: WorkerError) -> str:
    """What an error says, on one line and without its mend."""
    if isinstance(error, UsageError):
        return "; ".join(problem.reason for problem in error.problems)
    return str(error).partition("\n")[0]

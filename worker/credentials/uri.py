"""A credentials URI: a server, mostly beside this process, that answers with a temporary key."""

from dataclasses import dataclass, field
from http import HTTPStatus

from worker.credentials.issued import lease, read_object
from worker.credentials.source import Lease, Surroundings
from worker.credentials.web import REMOTE, scheme_and_host
from worker.errors import AccessError, StoppedError

VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_URI"
_FIRST_RETRYABLE = 500


@dataclass(frozen=True, slots=True)
class CredentialsUri:
    """Asks a URL. Only its host is shown: paths and queries of such URLs are often secrets themselves."""

    uri: str = field(repr=False)
    surroundings: Surroundings = field(repr=False)

    @property
    def name(self) -> str:
        """Where the key comes from."""
        return f"credentials URI at {scheme_and_host(self.uri)[1] or 'no host'}"

    async def fetch(self) -> Lease:
        """Ask for the key."""
        reply = await self.surroundings.web.ask(self.name, "GET", self.uri, REMOTE)
        if reply.status != HTTPStatus.OK:
            message = f"{self.name} answers {reply.status}"
            if reply.status < _FIRST_RETRYABLE and reply.status not in (
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.TOO_MANY_REQUESTS,
            ):
                message += f"\n    mend: correct {VARIABLE} or the profile; redirects are not followed"
                raise AccessError(message)
            raise StoppedError(message)
        found = read_object(reply.body, self.name)
        if found.get("Code") != "Success":
            message = f"{self.name} answers without the Code Success"
            raise StoppedError(message)
        return lease(found, self.name, reply.date, self.surroundings.now())

"""The RAM role of an ECS instance, from its metadata service (ECS, "Instance RAM roles", "View instance metadata")."""

import re
from dataclasses import dataclass, field
from http import HTTPStatus

from worker.credentials.issued import lease, read_object
from worker.credentials.source import Lease, Surroundings
from worker.credentials.web import METADATA_HOST, NEARBY, Reply
from worker.errors import AccessError, StoppedError, UsageError

METADATA = f"http://{METADATA_HOST}"
DISABLED = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
_ISSUER = "the metadata of this machine"
_TOKEN = "X-aliyun-ecs-metadata-token"  # noqa: S105 - a header
_ROLES = "/latest/meta-data/ram/security-credentials/"
_ROLE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# The token of the metadata service is used at once, and asked for anew each time.
_TOKEN_TTL_S = "60"  # noqa: S105 - a duration


@dataclass(frozen=True, slots=True)
class EcsRole:
    """The role attached to this machine; `role` may name it, which saves a request. `base` is the service's URL."""

    role: str
    surroundings: Surroundings = field(repr=False)
    base: str = METADATA

    @property
    def name(self) -> str:
        """The role, where it was named."""
        return f"ECS RAM role {self.role}".rstrip()

    async def fetch(self) -> Lease:
        """Ask for the role and its key, with a token (IMDSv2); without one where that is allowed and there is none."""
        headers = await self._token()
        role = self._named or await self._attached(headers)
        reply = await self._get(role, headers)
        found = read_object(reply.body, _ISSUER)
        if found.get("Code") != "Success":
            message = f"{_ISSUER} gives no key for the role {role}"
            raise StoppedError(message)
        return lease(found, _ISSUER, reply.date, self.surroundings.now())

    async def _token(self) -> dict[str, str]:
        # As documented: the service may be hardened to take tokens only, or too old to give any; and from inside a
        # container a token may not come back, for it is sent with a hop limit.
        try:
            reply = await self._ask("PUT", "/latest/api/token", {f"{_TOKEN}-ttl-seconds": _TOKEN_TTL_S})
            token = reply.body.decode("ascii").strip() if reply.status == HTTPStatus.OK else ""
        except (StoppedError, ValueError):
            token = ""
        if token and token.isprintable():
            return {_TOKEN: token}
        if self.surroundings.is_on("ALIBABA_CLOUD_IMDSV1_DISABLED"):
            message = f"{_ISSUER} gives no token, and ALIBABA_CLOUD_IMDSV1_DISABLED forbids to go on without"
            raise StoppedError(message)
        return {}

    @property
    def _named(self) -> str:
        if self.role and not _ROLE_NAME.fullmatch(self.role):
            reason = "the name of the ECS RAM role is no such name"
            raise UsageError(reason, "correct ALIBABA_CLOUD_ECS_METADATA or the profile")
        return self.role

    async def _attached(self, headers: dict[str, str]) -> str:
        found = (await self._get("", headers)).body.decode(errors="replace").strip()
        if not _ROLE_NAME.fullmatch(found):
            message = f"{_ISSUER} answers with no name of a role"
            raise StoppedError(message)
        return found

    async def _get(self, name: str, headers: dict[str, str]) -> Reply:
        reply = await self._ask("GET", _ROLES + name, headers)
        if reply.status == HTTPStatus.OK:
            return reply
        if reply.status == HTTPStatus.NOT_FOUND:
            which = f"no RAM role {name}" if name else "no RAM role"
            message = f"{which} is attached to this machine\n    mend: attach one, or choose other `credentials`"
            raise AccessError(message)
        message = f"{_ISSUER} answers {reply.status}"
        raise StoppedError(message)

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        return await self.surroundings.web.ask(_ISSUER, method, self.base + path, NEARBY, headers=headers)


def from_machine(surroundings: Surroundings, role: str = "") -> EcsRole:
    """The role of this machine.

    Raises:
        UsageError: The environment forbids to ask for it.
    """
    if surroundings.is_on(DISABLED):
        reason = f"{DISABLED} forbids to ask for the RAM role of this machine"
        raise UsageError(reason, "unset it, or choose other `credentials`")
    return EcsRole(role or surroundings.value("ALIBABA_CLOUD_ECS_METADATA"), surroundings)

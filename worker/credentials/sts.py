"""Roles assumed at STS: with the token of a pod (RRSA, OIDC), or with another key. API version 2015-04-01."""

import asyncio
import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from worker.credentials.issued import lease, read_object
from worker.credentials.source import Lease, Source, Surroundings, hidden
from worker.credentials.web import REMOTE, Reply
from worker.errors import AccessError, StoppedError, UsageError
from worker.oss.encoding import percent
from worker.oss.signing import Credentials

RRSA_VARIABLES = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
SESSION = "oss-saveas"
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
DEFAULT_S, _SHORTEST_S, _LONGEST_S = 3600, 900, 43200
_MEND = "check the trust policy of the role, its OIDC provider and the longest session it allows"


@dataclass(frozen=True, slots=True)
class Role:
    """Which role to assume, and how."""

    arn: str
    session: str = SESSION
    duration_s: int = DEFAULT_S
    policy: str = ""
    external_id: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not _SESSION_NAME.fullmatch(self.session):
            reason = f"the session name of the role {self.arn} is no such name"
            raise UsageError(reason, "use 2 to 64 of A-Z a-z 0-9 . @ _ -")
        if not _SHORTEST_S <= self.duration_s <= _LONGEST_S:
            reason = f"a session of {self.duration_s} s for the role {self.arn}"
            raise UsageError(reason, f"use {_SHORTEST_S} to {_LONGEST_S} seconds")

    @property
    def form(self) -> dict[str, str]:
        """The role as parameters of a request."""
        given = {
            "RoleArn": self.arn,
            "RoleSessionName": self.session,
            "DurationSeconds": str(self.duration_s),
            "Policy": self.policy,
            "ExternalId": self.external_id,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class PodRole:
    """A role assumed with the OIDC token in a file, which the cluster renews: it is read anew each time."""

    role: Role
    provider_arn: str
    token_file: str
    sts: str
    surroundings: Surroundings = field(repr=False)

    @property
    def name(self) -> str:
        """The role, and by what it is assumed."""
        return f"OIDC role {self.role.arn}"

    async def fetch(self) -> Lease:
        """Exchange the token for a key."""
        token = await asyncio.to_thread(self._read_token)
        form = {**self.role.form, "OIDCProviderArn": self.provider_arn, "OIDCToken": token}
        return await _assume(self.surroundings, self.sts, "AssumeRoleWithOIDC", form, token)

    def _read_token(self) -> str:
        mend = "check the token volume of the pod, and ALIBABA_CLOUD_OIDC_TOKEN_FILE"
        try:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            reason = f"the OIDC token file {self.token_file} cannot be read: {said}"
            raise UsageError(reason, mend) from None  # its text may hold a part of the token
        if not token:
            reason = f"the OIDC token file {self.token_file} is empty"
            raise UsageError(reason, mend)
        return token


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """A role assumed with the key of another source."""

    role: Role
    previous: Source
    sts: str
    surroundings: Surroundings = field(repr=False)

    @property
    def name(self) -> str:
        """The role, and by whom it is assumed."""
        return f"role {self.role.arn} by {self.previous.name}"

    async def fetch(self) -> Lease:
        """Get the other key, and with it one of the role."""
        key = (await self.previous.fetch()).credentials
        return await _assume(self.surroundings, self.sts, "AssumeRole", self.role.form, key.access_key_secret, key=key)


def from_pod(surroundings: Surroundings) -> PodRole | list[str]:
    """The role that the cluster gives to this pod, or the variables that are not set.

    Raises:
        UsageError: One of them cannot be right.
    """
    arn, provider, file = map(surroundings.value, RRSA_VARIABLES)
    if missing := [name for name in RRSA_VARIABLES if not surroundings.value(name)]:
        return missing
    role = Role(arn, surroundings.value("ALIBABA_CLOUD_ROLE_SESSION_NAME") or SESSION)
    return PodRole(role, provider, file, sts_url(surroundings), surroundings)


def sts_url(surroundings: Surroundings, region: str = "", *, vpc: bool = False) -> str:
    """The address of STS, by the variables of the official SDKs; a profile may name a region and its VPC endpoint.

    Raises:
        UsageError: A region is none.
    """
    named = surroundings.value("ALIBABA_CLOUD_STS_ENDPOINT")
    if named:
        return named if "://" in named else f"https://{named}"
    region = region or surroundings.value("ALIBABA_CLOUD_STS_REGION")
    if not region:
        return "https://sts.aliyuncs.com"
    if not _REGION.fullmatch(region):
        reason = "the region of STS is no region"
        raise UsageError(reason, "write its ID into ALIBABA_CLOUD_STS_REGION or the profile, as cn-hangzhou")
    inside = vpc or surroundings.is_on("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")
    return f"https://{'sts-vpc' if inside else 'sts'}.{region}.aliyuncs.com"


def signature(method: str, parameters: Mapping[str, str], secret: str) -> str:
    """The signature of an RPC request (Alibaba Cloud, "RPC style signature", version 1.0)."""
    query = "&".join(f"{percent(name)}={percent(value)}" for name, value in sorted(parameters.items()))
    text = f"{method}&{percent('/')}&{percent(query)}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


async def _assume(
    surroundings: Surroundings,
    sts: str,
    action: str,
    form: Mapping[str, str],
    secret: str,
    *,
    key: Credentials | None = None,
) -> Lease:
    at = surroundings.now()
    reply = await _ask(surroundings, sts, _request(action, form, at, key))
    if reply.status != HTTPStatus.OK and b"InvalidTimeStamp" in reply.body and reply.date is not None:
        # This machine's clock is off: by the clock of STS, once more.
        reply = await _ask(surroundings, sts, _request(action, form, reply.date, key))
    found = read_object(reply.body, "STS") if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR else {}
    if reply.status != HTTPStatus.OK:
        raise _refusal(reply.status, found, secret)
    inner = found.get("Credentials")
    return lease(inner if isinstance(inner, dict) else {}, "STS", reply.date, surroundings.now())


async def _ask(surroundings: Surroundings, sts: str, form: Mapping[str, str]) -> Reply:
    # By POST, in the body: a URL ends up in the logs of proxies.
    return await surroundings.web.ask("STS", "POST", f"{sts.rstrip('/')}/", REMOTE, form=form)


def _request(action: str, form: Mapping[str, str], at: datetime, key: Credentials | None) -> dict[str, str]:
    parameters = {
        **form,
        "Action": action,
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SignatureNonce": uuid.uuid4().hex,
    }
    if key is None:
        return parameters
    parameters |= {"AccessKeyId": key.access_key_id, "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}
    if key.security_token:
        parameters["SecurityToken"] = key.security_token
    return {**parameters, "Signature": signature("POST", parameters, key.access_key_secret)}


def _refusal(status: int, found: Mapping[str, object], secret: str) -> AccessError | StoppedError:
    code, said = str(found.get("Code", "")), hidden(str(found.get("Message", "")), secret)
    request = f" (request {found['RequestId']})" if "RequestId" in found else ""
    text = f"{status} {code}: {said}".rstrip(": ") + request
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
    # Throttling comes as 400 (STS, "Error codes").
    if passing or code.startswith("Throttling"):
        message = f"STS answers {text}"
        return StoppedError(message)
    message = f"STS refuses: {text}\n    mend: {_MEND}"
    return AccessError(message)

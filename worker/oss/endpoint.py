"""Endpoints: how a request is addressed to a host, and its URL."""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from worker.oss.encoding import percent_path, percent_query
from worker.oss.request import Request

_ONLY = "it has a scheme, a host and perhaps a port, nothing else"
# A host as it goes over the wire: other letters are written in their xn-- form. '_' is found in private networks.
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.ASCII)


class Addressing(StrEnum):
    """Where the bucket stands: before the host, at the head of the path, or implied by a custom domain."""

    VIRTUAL = "virtual"
    PATH = "path"
    CNAME = "cname"


@dataclass(frozen=True, slots=True)
class Site:
    """Where buckets are: the URL of an endpoint, and its region, as `cn-hangzhou`."""

    endpoint: str
    region: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base address. `authority` is the host, with its port where it is not the default one."""

    scheme: str
    authority: str
    addressing: Addressing

    def url(self, request: Request) -> str:
        """The URL of the request, encoded so that nothing needs to be changed on its way."""
        authority = self.authority
        if request.bucket and self.addressing is Addressing.VIRTUAL:
            authority = f"{request.bucket}.{authority}"
        query = percent_query(request.query)
        return f"{self.scheme}://{authority}{self.path(request)}" + (f"?{query}" if query else "")

    def path(self, request: Request) -> str:
        """The path of the request's URL, encoded."""
        if request.bucket and self.addressing is Addressing.PATH:
            return percent_path(f"/{request.bucket}/{request.key}")
        return percent_path(f"/{request.key}")


def parse_endpoint(url: str, addressing: Addressing | None = None) -> Endpoint:
    """Read a base address such as `https://oss-cn-hangzhou.aliyuncs.com`.

    Without `addressing`, an IP address or localhost is addressed by path, as the official SDKs do, and any other host
    virtually, which is all that the service accepts on its own domain (OSS, "SecondLevelDomainForbidden").

    Raises:
        ValueError: It is not an http or https URL of a bare host, with the reason.
    """
    if "@" in url:  # before anything else, for an error of urlsplit may show the password
        message = _ONLY
        raise ValueError(message)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = f"not a URL: {error}"
        raise ValueError(message) from error
    if parts.scheme not in ("http", "https"):
        message = "it begins with http:// or https://"
        raise ValueError(message)
    if not host:
        message = "it names a host"
        raise ValueError(message)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        message = _ONLY
        raise ValueError(message)
    if not (_is_ip(host) or _HOST.fullmatch(host)) or port == 0:
        message = f"{parts.netloc!r} is no host"
        raise ValueError(message)
    shown = f"[{host}]" if ":" in host else host
    authority = f"{shown}:{port}" if port else shown
    return Endpoint(parts.scheme, authority, addressing or _usual_addressing(host))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone: localhost or a loopback address."""
    return _is_localhost(host) or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def is_plain_http(url: str) -> bool:
    """Whether what is sent to a URL can be read by others on its way: plain http to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_path_style_host(host: str) -> bool:
    """Whether a host cannot carry a bucket before its name: an IP address or localhost itself."""
    return host == "localhost" or _is_ip(host)


def _usual_addressing(host: str) -> Addressing:
    return Addressing.PATH if is_path_style_host(host) else Addressing.VIRTUAL


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

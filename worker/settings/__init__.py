"""Settings: how and where the worker runs, as plain values with their ranges and defaults."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field

from worker.batch.findings import MendableError, checked, shown
from worker.batch.location import check_endpoint, check_region
from worker.oss.names import ObjectRef, bucket_problem, key_problem

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
OSS = "oss://"


def _endpoint(value: str) -> str:
    if value != "local":
        check_endpoint(value, otherwise="local")
    return value


def _gateway(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and parts.hostname is not None and parts.port != 0
    except ValueError:  # a bracket without its other half, a port that is none
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", value) or any(sign in value for sign in "@?#"):
        named = "this" if any(sign in value for sign in "@?#") else shown(value)
        raise MendableError(f"{named} is no Pushgateway", "write its URL without a password, as http://HOST:9091")
    return value


def _results(value: str) -> str:
    if not value:
        raise MendableError("'results' names no place", "write a path, as ./results, or oss://bucket/prefix")
    if value.startswith(OSS):
        place = _in_bucket(value)
        key = place.key and key_problem(place.key)
        reason = bucket_problem(place.bucket) or key or ("a part of the prefix is empty" if "//" in place.key else "")
        if reason:
            raise MendableError(f"{shown(value)} is no place for results: {reason}", "write it as oss://bucket/prefix")
    return value


def _in_bucket(results: str) -> ObjectRef:
    bucket, _, prefix = results.removeprefix(OSS).partition("/")
    return ObjectRef(bucket, prefix.removesuffix("/"))


def _proxy(value: str) -> str:
    if value in {"env", "none"}:
        return value
    if "@" in value:
        raise MendableError(
            "a proxy's password never stands in a file", "set HTTPS_PROXY in the environment, and write env"
        )
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise MendableError(f"{shown(value)} is no proxy", "write env, none, or a URL as http://proxy:3128")
    return value


Seconds = Annotated[float, Field(gt=0, le=86_400)]
Ratio = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run asks of the service at most. `source_mb_per_second` counts 1,000,000 bytes."""

    __pydantic_config__: ClassVar = _STRICT
    requests_per_second: Annotated[float, Field(ge=0.1, le=100_000)] = 50.0
    source_mb_per_second: Annotated[float, Field(ge=0.1, le=100_000)] = 20.0
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    adaptive: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long a task is tried."""

    __pydantic_config__: ClassVar = _STRICT
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    base_delay_s: Seconds = 0.2
    max_delay_s: Seconds = 20.0
    task_deadline_s: Seconds = 900.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long one attempt may take."""

    __pydantic_config__: ClassVar = _STRICT
    connect_s: Seconds = 10.0
    total_s: Seconds = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """When a run stops because it goes wrong. `accept` counts tasks; `per_code` are ratios for single codes."""

    __pydantic_config__: ClassVar = _STRICT
    canary: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    max_ratio: Ratio = 0.5
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    accept: Annotated[int, Field(ge=0)] = 0
    per_code: Mapping[str, Ratio] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How long a run may take to end, and to show no progress at all."""

    __pydantic_config__: ClassVar = _STRICT
    grace_s: Seconds = 75.0
    stall_s: Seconds = 600.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where a run tells Prometheus how far it is, and a Pushgateway how it has ended; None for nowhere."""

    __pydantic_config__: ClassVar = _STRICT
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    pushgateway: Annotated[str, AfterValidator(_gateway)] | None = None


@dataclass(frozen=True, slots=True)
class Transport:
    """The way to the service. `proxy` is `env`, `none` or a URL."""

    __pydantic_config__: ClassVar = _STRICT
    proxy: Annotated[str, AfterValidator(_proxy)] = "env"
    ca_file: str | None = None
    allow_plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """What goes to standard error besides progress. `auto` is text on a terminal and JSON elsewhere."""

    __pydantic_config__: ClassVar = _STRICT
    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Local:
    """The local OSS of `endpoint: local`."""

    __pydantic_config__: ClassVar = _STRICT
    root: str = "./local-oss"
    samples: bool = True
    in_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Paths are as seen from where the program was started; `endpoint` is `local` or a URL."""

    __pydantic_config__: ClassVar = _STRICT
    endpoint: Annotated[str, AfterValidator(_endpoint)]
    region: Annotated[str, checked(check_region)] = "cn-hangzhou"
    addressing: Literal["auto", "virtual", "path", "cname"] = "auto"
    signature: Literal["v4", "v1"] = "v4"
    credentials: Literal["auto", "env", "rrsa", "ecs", "uri", "profile"] = "auto"
    results: Annotated[str, AfterValidator(_results)] = "./results"
    results_durable: bool = False
    results_patience_s: Seconds = 120.0
    limits: Limits = field(default_factory=Limits)
    retry: Retry = field(default_factory=Retry)
    timeout: Timeout = field(default_factory=Timeout)
    failure: Failure = field(default_factory=Failure)
    shutdown: Shutdown = field(default_factory=Shutdown)
    metrics: Metrics = field(default_factory=Metrics)
    transport: Transport = field(default_factory=Transport)
    log: Log = field(default_factory=Log)
    local: Local = field(default_factory=Local)

    @property
    def results_bucket(self) -> ObjectRef | None:
        """Bucket and prefix of the results, the prefix without its last slash; None where they are in a directory."""
        return _in_bucket(self.results) if self.results.startswith(OSS) else None

    @property
    def digest(self) -> str:
        """The sha256, in hex, of all settings. There are no secrets among them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

"""Reads settings from defaults, the file, the environment and flags, and checks the rules that join several."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, get_type_hints

from pydantic import ValidationError

from worker.batch import document
from worker.batch.document import Document, Path
from worker.batch.findings import UNKNOWN_KEY, explain, in_order, nearest, validator
from worker.errors import Problem, UsageError
from worker.oss.endpoint import is_plain_http
from worker.settings import OSS, Settings

# Whom a command asks.
Asks = Literal["service", "results", "nobody"]
_PREFIX = "OSS_SAVEAS_"
# Read elsewhere: they say which run this is, not how it runs.
RESERVED = frozenset({f"{_PREFIX}{name}" for name in ("CONFIG", "RUN", "SHARDS", "PARALLELISM", "NOW")})
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
# The flags that are settings, by their names on the command line.
FLAGS: Mapping[str, Path] = {
    "--endpoint": ("endpoint",),
    "--region": ("region",),
    "--results": ("results",),
    "--rate": ("limits", "requests_per_second"),
    "--concurrency": ("limits", "concurrency"),
}


def load_settings(
    text: str | None,
    file: str,
    environ: Mapping[str, str],
    flags: Mapping[str, str | None],
    asks: Asks = "service",
) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and warnings about variables that are none.

    Args:
        text: What the settings file says; None where there is none.
        file: Its path, for messages and as the base of the paths in it.
        environ: The environment; variables without a value count as not set.
        flags: Values by the names of `FLAGS`; None is a flag that was not given.
        asks: Whom the command asks: the service, whoever keeps the results, or nobody. Where that is not the service
            no endpoint has to be set.

    Raises:
        UsageError: They are wrong; with every problem found.
    """
    return _Reader(document.parse(text or "", file), environ, asks).read(flags)


class _Reader:
    """Lays the layers over one another and remembers where each value came from."""

    def __init__(self, source: Document, environ: Mapping[str, str], asks: Asks) -> None:
        self._document = source
        self._environ = environ
        self._asks = asks
        # Values that do not come from the file, by the variable or flag that gave them.
        self._origins: dict[Path, str] = {}
        self._problems: list[Problem] = list(source.problems)
        self._data: Any = source.data if source.data is not None else {}
        if isinstance(self._data, dict):
            self._data = {name: dict(value) if isinstance(value, dict) else value for name, value in self._data.items()}

    def read(self, flags: Mapping[str, str | None]) -> tuple[Settings, tuple[str, ...]]:
        warnings = tuple(self._overlay_environment())
        for flag, value in flags.items():
            if value is not None:
                self._overlay(FLAGS[flag], value, flag)
        if isinstance(self._data, dict) and "endpoint" not in self._data and not self._asks_the_service:
            self._data["endpoint"] = "local"  # nobody is asked there
        try:
            settings = validator(Settings).validate_python(self._data)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._add(detail["loc"], *explain(detail, Settings), key=detail["type"] in UNKNOWN_KEY)
        else:
            self._check(settings)
        if self._problems:
            raise UsageError(in_order(self._problems))
        return self._placed(settings), warnings

    @property
    def _asks_the_service(self) -> bool:
        in_bucket = str(self._data.get("results", "")).startswith(OSS)
        return self._asks == "service" or (self._asks == "results" and in_bucket)

    def _overlay_environment(self) -> Iterator[str]:
        """Put variables over the file; yields a warning for each that is no setting."""
        known = {f"{_PREFIX}{'__'.join(map(str, path)).upper()}": path for path in _paths(Settings)}
        for name, value in sorted(self._environ.items()):
            if not name.startswith(_PREFIX) or name in RESERVED or not value:
                continue
            if name in known:
                self._overlay(known[name], value, name)
            else:
                yield f"{name} is no setting and does nothing: {nearest(name, known)}"

    def _overlay(self, path: Path, value: str, origin: str) -> None:
        group = self._data
        for name in path[:-1]:
            group = group.setdefault(name, {}) if isinstance(group, dict) else None
        # A group that is no mapping in the file is a problem of the file, told in its place.
        if isinstance(group, dict):
            group[path[-1]] = value
            self._origins[path] = origin

    def _add(self, path: Path, reason: str, mend: str, *, key: bool = False) -> None:
        """Add a problem where the value came from: a variable, a flag, the file, or nowhere."""
        if path in self._origins:
            self._problems.append(Problem(reason, mend, self._origins[path]))
        elif path == ("endpoint",) and not self._has(path):
            mend = "write `endpoint: local` or a URL into the file, or give --endpoint or OSS_SAVEAS_ENDPOINT"
            self._problems.append(Problem("no endpoint is set", mend, self._document.file))
        elif not path or self._has(path):
            self._problems.append(self._document.place(path, key=key).problem(reason, mend))
        else:
            self._problems.append(Problem(reason, mend))

    def _has(self, path: Path) -> bool:
        above = self._document.get(path[:-1])
        return isinstance(above, dict) and path[-1] in above

    def _check(self, settings: Settings) -> None:
        """The rules that join several settings, or settings and the place where the worker runs."""
        if is_plain_http(settings.endpoint) and not settings.transport.allow_plain_http:
            reason = "plain http to another machine: anybody between can read and change what is sent"
            self._add(("endpoint",), reason, "write https://, or set `transport: {allow_plain_http: true}`")
        if settings.retry.base_delay_s > settings.retry.max_delay_s:
            reason = "'base_delay_s' is larger than 'max_delay_s'"
            self._add(("retry", "base_delay_s"), reason, "make it the smaller one")
        if settings.addressing == "cname" and settings.results_bucket is not None:
            reason = "with `addressing: cname` results cannot be in a bucket: the domain answers for one bucket only"
            self._add(("results",), reason, "use the bucket's own endpoint, or name a directory")
        if not self._environ.get(_IN_CLUSTER):
            return
        if settings.endpoint == "local" and self._asks_the_service and not settings.local.in_cluster:
            reason = "the local OSS in a cluster: what it saves is lost with the pod"
            self._add(
                ("endpoint",), reason, "write the endpoint's URL, or set `local: {in_cluster: true}` if that is meant"
            )
        if not settings.results_durable and settings.results_bucket is None:
            reason = "a directory for results in a cluster: with the pod the log is lost, and with it what was done"
            mend = "write oss://bucket/prefix, or name a shared volume and set `results_durable: true`"
            self._add(("results",), reason, mend)

    def _placed(self, settings: Settings) -> Settings:
        """The settings with the paths of the file as seen from where the program was started."""
        base = posixpath.dirname(self._document.file)

        def placed(path: Path, value: str) -> str:
            return value if path in self._origins else posixpath.normpath(posixpath.join(base, value))

        ca_file = settings.transport.ca_file
        return replace(
            settings,
            results=settings.results if settings.results_bucket else placed(("results",), settings.results),
            local=replace(settings.local, root=placed(("local", "root"), settings.local.root)),
            transport=replace(
                settings.transport, ca_file=None if ca_file is None else placed(("transport", "ca_file"), ca_file)
            ),
        )


def _paths(shape: Any) -> Iterator[Path]:
    """The paths of all single settings: what a variable can be named for."""
    hints = get_type_hints(shape)
    for field in fields(shape):
        if is_dataclass(hints[field.name]):
            yield from ((field.name, *path) for path in _paths(hints[field.name]))
        elif field.name != "per_code":  # codes are told apart by case, variables often are not
            yield (field.name,)

"""A CronJob with what belongs to it, out of a rendering."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

Tree = dict[str, Any]
WORKER = "worker"
_SETTING = "OSS_SAVEAS_"
_FLAGS: Mapping[str, tuple[str, ...]] = {"--endpoint": ("endpoint",), "--results": ("results",)}
_SECRET = re.compile("secret|access_?key|passw|token", re.IGNORECASE)


class CronJob:
    """A CronJob with what belongs to it.

    Raises:
        KeyError, TypeError, AttributeError: It has not the shape that its schema asks for.
    """

    def __init__(self, cronjob: Tree, documents: Sequence[Tree]) -> None:
        self.name: str = cronjob["metadata"]["name"]
        self.spec: Tree = cronjob["spec"]
        self.job: Tree = self.spec["jobTemplate"]["spec"]
        self.pod: Tree = self.job["template"]["spec"]
        self.containers: list[Tree] = self.pod["containers"]
        self.worker: Tree = next((one for one in self.containers if one["name"] == WORKER), {})
        self.config_maps = {one["metadata"]["name"]: one for one in documents if one["kind"] == "ConfigMap"}
        self.mounted = [one["configMap"]["name"] for one in self.pod.get("volumes", []) if "configMap" in one]
        self.env: dict[str, Tree] = {**self._env_from(), **{one["name"]: one for one in self.worker.get("env", [])}}

    def _env_from(self) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for source in self.worker.get("envFrom", []):
            data = self.config_maps.get(source.get("configMapRef", {}).get("name"), {}).get("data", {})
            found |= {f"{source.get('prefix', '')}{name}": {"value": value} for name, value in data.items()}
        return found

    @property
    def rules(self) -> list[Tree]:
        """The rules for pods that failed."""
        found: list[Tree] = self.job.get("podFailurePolicy", {}).get("rules", [])
        return found

    def value(self, name: str) -> str:
        """The value of an environment variable of the worker."""
        return str(self.env.get(name, {}).get("value", ""))

    @property
    def args(self) -> list[str]:
        """The arguments of the worker."""
        return [str(arg) for arg in self.worker.get("args", [])]

    def option(self, name: str) -> str | None:
        """The value of an option of the worker, as `--name value` or `--name=value`; None where it is not given."""
        found = None
        for arg, following in zip(self.args, [*self.args[1:], ""], strict=True):
            given, sign, value = arg.partition("=")
            if given == name:
                found = value if sign else following
        return found

    @property
    def _text(self) -> str | None:
        """The settings file, out of the ConfigMap that the worker mounts."""
        for name in self.mounted:
            text: str | None = self.config_maps.get(name, {}).get("data", {}).get("config.yaml")
            if text is not None:
                return text
        return None

    @property
    def config_problem(self) -> str:
        """Why the settings file cannot be read; empty where it can."""
        return "the worker mounts no ConfigMap with config.yaml" if self._text is None else _read(self._text)[1]

    @property
    def settings(self) -> Tree:
        """What the worker goes by: arguments before the environment before the file, as far as that can be read."""
        found, _ = _read(self._text or "")
        for name in self.env:
            if name.startswith(_SETTING) and (value := self.value(name)):
                _put(found, name.removeprefix(_SETTING).lower().split("__"), value)
        for flag, path in _FLAGS.items():
            if (given := self.option(flag)) is not None:
                _put(found, path, given)
        return found

    def secrets(self) -> Iterator[str]:
        """Where a secret stands in the clear: names, never values."""
        yield from (f"config.yaml: {name}" for name in _names(_read(self._text or "")[0]) if _SECRET.search(name))
        for name, one in self.env.items():
            if "value" in one and _SECRET.search(name) and not name.endswith("_FILE"):
                yield f"environment: {name}"


def no_yaml(what: str, error: yaml.YAMLError) -> str:
    """Where something is no YAML. The error's own message shows the line, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    return f"{what} is no YAML" + (f": see line {mark.line + 1}" if mark else "")


def _read(text: str) -> tuple[Tree, str]:
    """Settings, or else no settings and why."""
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        return {}, no_yaml("config.yaml", error)
    return (found, "") if isinstance(found, dict) else ({}, "config.yaml is no mapping of settings")


def _put(tree: Tree, path: Sequence[str], value: object) -> None:
    for name in path[:-1]:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[path[-1]] = value


def _names(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield str(name)
            yield from _names(value)

"""What commands read: settings and manifests; and where their log goes."""

import logging
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import Problem, UsageError
from worker.telemetry.logs import LOGGER, set_up_logs

if TYPE_CHECKING:
    from worker.batch.manifest import Manifest
    from worker.settings import Settings
    from worker.settings.loading import Asks

_DEFAULT_CONFIG = Path("config.yaml")


def settings_of(config: Path | None, flags: dict[str, str | None], asks: "Asks" = "service") -> "Settings":
    """The settings by the file, the environment and flags; from here on the log goes where they say.

    `asks`: whom the command asks. Where that is not the service no endpoint has to be set.

    Raises:
        UsageError: They are wrong, or the file cannot be read.
    """
    from worker.settings.loading import load_settings

    path = _settings_file(config)
    text = None if path is None else _read(path)
    settings, warnings = load_settings(text, str(path or _DEFAULT_CONFIG), os.environ, flags, asks)
    set_up_logs(settings.log.format, settings.log.level)
    for warning in warnings:
        log(warning, level=logging.WARNING)
    return settings


def _settings_file(config: Path | None) -> Path | None:
    """The settings file: one that is named has to be there."""
    path = config or Path(os.environ.get("OSS_SAVEAS_CONFIG") or _DEFAULT_CONFIG)
    wanted = config is not None or "OSS_SAVEAS_CONFIG" in os.environ
    return path if wanted or path.exists() else None


def manifest_at(path: Path, now: datetime) -> "Manifest":
    """The manifest in a file; `now` is what durations in it count from.

    Raises:
        UsageError: It is wrong, or cannot be read.
    """
    from worker.batch.reader import parse_manifest

    return parse_manifest(_read(path), str(path), now)


def _read(path: Path) -> str:
    from worker.batch import document

    try:
        with path.open("rb") as file:
            data = file.read(document.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", "check the path", str(path))) from error
    return document.decode(data, str(path))


def log(message: str, level: int = logging.INFO, **fields: object) -> None:
    """Write a line of the program's log."""
    logging.getLogger(LOGGER).log(level, message, extra=fields)

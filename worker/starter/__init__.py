"""The files that a new job begins with."""

from importlib.resources import files
from pathlib import Path

from worker.errors import OccupiedError, Problem, UsageError

NAMES = ("job.yaml", "config.yaml")


def write_starter(directory: Path) -> list[Path]:
    """Write a commented manifest and commented settings into a directory; their paths.

    Raises:
        OccupiedError: One of them is there already; then neither is written.
        UsageError: The directory cannot be written.
    """
    paths = [directory / name for name in NAMES]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if there := [str(path) for path in paths if path.exists() or path.is_symlink()]:
            raise OccupiedError(there)
        for path in paths:
            text = files(__name__).joinpath(path.name).read_text(encoding="utf-8")
            with path.open("x", encoding="utf-8") as file:  # nothing is overwritten, whoever was faster
                file.write(text)
    except FileExistsError as error:
        raise OccupiedError([str(error.filename)]) from error
    except OSError as error:
        reason = f"cannot be written: {error.strerror}"
        raise UsageError(Problem(reason, "name a directory of yours", str(error.filename or directory))) from error
    return paths

"""How soon `validate` refuses files that are made to hurt."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED_S = 1.0
_SIZE = 100_000_000
_HEAD = "version: 1\njob: nightly\nbucket: photos\n"


def main() -> int:
    """Measure, print, and say whether the promise is kept."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        started = _refused(Path(name), "empty.yaml", "")
        slowest = 0.0
        for what, text in (
            ("a bomb of aliases", _bomb()),
            ("a bomb of merges", _merges()),
            ("100 MB", _HEAD * (_SIZE // 40)),
        ):
            took = _refused(Path(name), "job.yaml", text) - started
            print(f"{what} refused: {took:.2f} s beside the start of the program")
            slowest = max(slowest, took)
        print(f"start of the program: {started:.2f} s; slowest refusal: {slowest:.2f} s (allowed: {ALLOWED_S:.0f})")
        return int(slowest > ALLOWED_S)


def _bomb() -> str:
    levels = (f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 7)}]\n" for level in range(7))
    return f"{_HEAD}a0: &a0 [x]\n{''.join(levels)}"


def _merges() -> str:
    keys = ", ".join(f"k{number}: 1" for number in range(20_000))
    return f"{_HEAD}a: &a {{{keys}}}\n" + "".join(f"b{number}:\n  <<: *a\n" for number in range(49))


def _refused(directory: Path, name: str, text: str) -> float:
    """The least seconds of three that the program takes to refuse this file."""
    (directory / name).write_text(text)
    return min(_seconds(directory / name) for _ in range(3))


def _seconds(path: Path) -> float:
    begun = time.perf_counter()
    ended = subprocess.run([sys.executable, "-m", "worker", "validate", str(path)], capture_output=True, check=False)
    assert ended.returncode == 64, ended.stderr
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())

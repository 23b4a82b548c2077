"""The fault tests with their full counts, and the first minute of a stranger: run by `make chaos`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Figures
from tests.e2e.desk import Desk
from tests.e2e.test_interruption import kill_again_and_again

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.chaos


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a stranger gets: the committed state, and nothing that this work tree has made beside it."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git, and the project as a clone of it")
    subprocess.run([git, "clone", "--quiet", "--no-local", str(ROOT), str(tmp_path / "clone")], check=True)
    return tmp_path / "clone"


def make_demo(clone: Path) -> str:
    make = shutil.which("make")
    assert make is not None
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OSS_", "VIRTUAL_ENV"))}
    environ |= {"PIP_CACHE_DIR": str(clone.parent / "pip-cache"), "MAKEFLAGS": ""}
    python = f"PYTHON={Path(sys.executable).resolve()}"
    done = subprocess.run(
        [make, "demo", python], cwd=clone, env=environ, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_works_from_a_fresh_clone_with_an_empty_cache_and_sends_nothing_the_second_time(clone: Path) -> None:
    first = make_demo(clone)
    assert "Complete: every task of this run is saved, or was." in first
    assert (clone / "local-oss/renditions/thumbs").is_dir()
    second = make_demo(clone)
    assert "POSTs sent     0" in second
    assert "pip install" not in second


@pytest.mark.parametrize("results", ["./results", "oss://results/logs"])
async def test_a_run_killed_a_hundred_times_repeats_only_what_was_not_durable(
    desk: Desk, results: str, figures: Figures
) -> None:
    figures(await kill_again_and_again(desk, 100, 5000, results))

"""How many cores can be used: what the system says, and a container's limit."""

import os
from pathlib import Path

import pytest

from worker.cores import usable_cores

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("199999 100000\n", 1),
        ("99900000 100000\n", HERE),
        ("max 100000\n", HERE),
        ("", HERE),
        ("nonsense\n", HERE),
        ("100000 0\n", HERE),
    ],
)
def test_a_limit_is_rounded_down(tmp_path: Path, limit: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(limit)
    assert usable_cores(file) == cores


def test_without_a_limit_it_is_what_the_system_says(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "cpu.max") == HERE

"""A desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    try:
        yield desk
    finally:
        await desk.stop_all()

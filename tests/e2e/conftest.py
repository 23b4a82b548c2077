"""A desk for each test; whatever the test was about, no secret may be in what was written there."""

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
    desk.assert_no_secret()

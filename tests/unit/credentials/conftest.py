"""A way to the issuers for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.issuers import way
from worker.credentials.web import Web


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with way() as opened:
        yield opened

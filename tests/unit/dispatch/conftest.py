"""The one patch that is allowed: asyncio-throttle reads `time.monotonic` and has no parameter for a clock."""

import asyncio
from collections.abc import Iterator

import pytest
from asyncio_throttle import throttler


class _LoopTime:
    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture(scope="module", autouse=True)
def throttle_in_virtual_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttler, "time", _LoopTime)
        yield

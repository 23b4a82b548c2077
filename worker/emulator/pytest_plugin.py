"""The pytest plugin of this package: the fixture `oss_server`, a local OSS for one test.

Loaded by every pytest of an environment where the package is installed: it imports next to nothing until it is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from worker.emulator.threaded import ThreadedOSS


@pytest.fixture
def oss_server() -> Iterator["ThreadedOSS"]:
    """A local OSS with a bucket `test-bucket`, kept in memory, on a thread of its own, gone after the test.

    Skips the test where the extra `local` is not installed.
    """
    from worker.emulator.app import require_libvips  # noqa: PLC0415 - see the module's docstring
    from worker.errors import UsageError  # noqa: PLC0415 - likewise

    try:
        require_libvips()
    except UsageError as error:
        pytest.skip(str(error))
    from worker.emulator.threaded import ThreadedOSS  # noqa: PLC0415 - only now: it needs the extra

    with ThreadedOSS() as server:
        yield server

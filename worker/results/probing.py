"""The probe of a store: everything that a run does with it, tried with a small file that no reader looks at."""

from contextlib import suppress

from worker.results.patience import Patience
from worker.results.store import GoneError, Store, StoreError

# Always the same one, so that at most one is left where it may not be deleted; another check may take it away.
PROBE = "probe/oss-saveas-probe"
_CONTENT = b"oss-saveas check tries here whether it can write; this may be deleted\n"


async def probe_store(store: Store, patience: Patience) -> StoreError | None:
    """Write, list and read the probe, and delete it; returns why that last thing failed, which no run needs.

    Raises:
        ResultsError: It cannot be written.
        StoreError: It cannot be listed or read.
        TakenError: There is another file of that name.
    """
    await store.files(PROBE)  # a bucket that is not there is told best by this
    await patience.over(lambda: store.create(PROBE, _CONTENT))
    for file in await store.files(PROBE):
        with suppress(GoneError):
            await store.read(file, 0, file.size)
    try:
        await store.delete(PROBE)
    except StoreError as error:
        return error
    return None

"""What is freed goes back to the system: glibc would keep it, in each thread's own pool, for pictures still to come."""

import ctypes

_MMAP_THRESHOLD = -3  # of mallopt(3)
_LARGE = 8 << 20  # bytes; whole pictures, each in a mapping of its own
_WORTH_TRIMMING = 32 << 20  # bytes

_libc = ctypes.CDLL(None)
_mallopt = getattr(_libc, "mallopt", None)  # glibc alone has them
_malloc_trim = getattr(_libc, "malloc_trim", None)

if _mallopt is not None:
    _mallopt(_MMAP_THRESHOLD, _LARGE)  # fixed: it would grow with what is freed


def freed(size: int) -> None:
    """So many bytes were freed: nothing of many is kept."""
    if _malloc_trim is not None and size >= _WORTH_TRIMMING:
        _malloc_trim(0)

"""Sets and maps of 16-byte digests: 22 to 32 bytes for each, where a set of bytes objects costs about 100."""

import struct
from array import array

_PARTITIONS = 256  # by the first byte: a table that grows copies 1/256 of the set
_FIRST_SLOTS = 64
_GROWTH = 1.4
_MAX_LOAD = 0.75
_HALVES = struct.Struct(">QQ").unpack


class DigestSet:
    """Digests of SHA-256, in open addressing. Membership is exact: all 16 bytes are kept."""

    __slots__ = ("_partitions",)

    def __init__(self) -> None:
        self._partitions: list[_Partition | None] = [None] * _PARTITIONS

    def __contains__(self, digest: bytes) -> bool:
        partition = self._partitions[digest[0]]
        return partition is not None and partition.holds(*_HALVES(digest))

    def add(self, digest: bytes) -> bool:
        """Add a digest of 16 bytes; False if it was there."""
        partition = self._partitions[digest[0]]
        if partition is None:
            partition = self._partitions[digest[0]] = _Partition()
        return partition.add(*_HALVES(digest))


class DigestMap:
    """Pairs of whole numbers below 2**64 by digest, for 43 to 60 bytes each; no other digest is taken for one."""

    __slots__ = ("_partitions",)

    def __init__(self) -> None:
        self._partitions: list[_PairPartition | None] = [None] * _PARTITIONS

    def get(self, digest: bytes) -> tuple[int, int] | None:
        """The pair of a digest of 16 bytes, None where there is none."""
        partition = self._partitions[digest[0]]
        if partition is None:
            return None
        return partition.pair(int.from_bytes(digest[:8]), int.from_bytes(digest[8:]))

    def put(self, digest: bytes, first: int, second: int) -> None:
        """Give a digest its pair, in place of one it has."""
        partition = self._partitions[digest[0]]
        if partition is None:
            partition = self._partitions[digest[0]] = _PairPartition()
        partition.put(int.from_bytes(digest[:8]), int.from_bytes(digest[8:]), first, second)


class _Partition:
    __slots__ = ("_count", "_high", "_low")

    def __init__(self) -> None:
        self._count = 0
        self._high, self._low = _column(_FIRST_SLOTS), _column(_FIRST_SLOTS)

    def add(self, high: int, low: int) -> bool:
        # The slot of all zeros means empty. No digest of SHA-256 that anybody will meet is zero in all 16 bytes; one
        # that were would be taken for new each time, and its task sent again, which is harmless.
        slot = self._find(high, low)
        highs, lows = self._high, self._low
        if highs[slot] or lows[slot]:
            return False
        highs[slot], lows[slot] = high, low
        self._count += 1
        if self._count > _MAX_LOAD * len(self._high):
            self._grow()
        return True

    def holds(self, high: int, low: int) -> bool:
        slot = self._find(high, low)
        return bool(self._high[slot] or self._low[slot])

    def _find(self, high: int, low: int) -> int:
        highs, lows, size = self._high, self._low, len(self._high)
        slot = low % size
        while (found := lows[slot]) != low or highs[slot] != high:
            if not found and not highs[slot]:
                break
            slot = (slot + 1) % size
        return slot

    def _grow(self) -> None:
        pairs = zip(self._high, self._low, strict=True)
        slots = int(len(self._high) * _GROWTH) + 1
        self._high, self._low = highs, lows = _column(slots), _column(slots)
        for high, low in pairs:
            if high or low:
                slot = low % slots
                while highs[slot] or lows[slot]:  # none of them is there twice
                    slot = (slot + 1) % slots
                highs[slot], lows[slot] = high, low


class _PairPartition(_Partition):
    __slots__ = ("_first", "_second")

    def __init__(self) -> None:
        super().__init__()
        self._first, self._second = _column(_FIRST_SLOTS), _column(_FIRST_SLOTS)

    def pair(self, high: int, low: int) -> tuple[int, int] | None:
        slot = self._find(high, low)
        return (self._first[slot], self._second[slot]) if self._high[slot] or self._low[slot] else None

    def put(self, high: int, low: int, first: int, second: int) -> None:
        self.add(high, low)
        slot = self._find(high, low)
        self._first[slot], self._second[slot] = first, second

    def _grow(self) -> None:
        rows = zip(self._high, self._low, self._first, self._second, strict=True)
        super()._grow()
        slots = len(self._high)
        self._first, self._second = _column(slots), _column(slots)
        for high, low, first, second in rows:
            if high or low:
                slot = self._find(high, low)
                self._first[slot], self._second[slot] = first, second


def _column(slots: int) -> "array[int]":
    return array("Q", bytes(8 * slots))

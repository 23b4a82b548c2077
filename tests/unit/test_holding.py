"""What is held comes back byte for byte, in memory or on the disk, and a full disk is told."""

import asyncio
import hashlib
import random
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from worker.holding import IN_MEMORY, Held, HoldingError


async def held_of(*chunks: bytes) -> Held:
    held = Held()
    for chunk in chunks:
        await held.add(chunk)
    await held.end()
    return held


async def read(held: Held) -> bytes:
    return b"".join([chunk async for chunk in held.chunks()])


@examples(100)
@given(st.lists(st.integers(0, IN_MEMORY), max_size=6), st.integers())
def test_whatever_is_held_comes_back_as_often_as_it_is_read(sizes: list[int], seed: int) -> None:
    dice = random.Random(seed)
    chunks = [dice.randbytes(size) for size in sizes]
    whole = b"".join(chunks)

    async def main() -> None:
        held = await held_of(*chunks)
        assert (held.size, held.md5) == (len(whole), hashlib.md5(whole, usedforsecurity=False).digest())
        assert await read(held) == whole == await read(held)
        held.close()

    asyncio.run(main())


@pytest.mark.parametrize(("size", "on_disk"), [(IN_MEMORY - 1, False), (IN_MEMORY, True), (3 * IN_MEMORY, True)])
async def test_small_pictures_stay_off_the_disk(monkeypatch: pytest.MonkeyPatch, size: int, on_disk: bool) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    held = Held()
    try:
        if not on_disk:
            await held.add(b"x" * size)
            await held.end()
            assert await read(held) == b"x" * size
        else:
            with pytest.raises(HoldingError, match="cannot be held in /nonexistent: No such file or directory"):
                await held.add(b"x" * size)
    finally:
        held.close()


async def test_a_large_picture_takes_no_name_and_is_read_in_pieces() -> None:
    held = await held_of(b"x" * IN_MEMORY, b"y" * IN_MEMORY)
    pieces = [len(piece) async for piece in held.chunks()]
    assert max(pieces) <= IN_MEMORY // 2
    assert sum(pieces) == 2 * IN_MEMORY
    held.close()

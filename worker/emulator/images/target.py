"""Where libvips writes a file to: memory that is asked for as it grows, for nobody knows before how much it will be."""

import io
from collections.abc import Callable

from worker.emulator.images.libvips import Error, TargetCustom
from worker.emulator.images.weight import Reserve

_STEP = 4 << 20  # bytes


def written(save: Callable[..., object], reserve: Reserve, **options: object) -> bytes:
    """What a saver writes, such as `image.pngsave_target`.

    Raises:
        Error: As the saver does.
        Exception: What `reserve` raises: there is no more memory.
    """
    file = _Growing(reserve)
    target = TargetCustom()
    target.on_write(file.write)
    try:
        save(target, **options)
    except Error:
        if file.trouble is not None:
            raise file.trouble from None
        raise
    return file.whole()


class _Growing:
    """A file in memory. What `reserve` raises cannot come through libvips, so it is kept."""

    def __init__(self, reserve: Reserve) -> None:
        self.trouble: Exception | None = None
        self._file = io.BytesIO()
        self._reserve = reserve
        self._reserved = 0

    def write(self, chunk: bytes) -> int:
        missing = self._file.tell() + len(chunk) - self._reserved
        step = 0 if missing <= 0 else max(missing, _STEP if self._reserved else 0)
        try:
            self._reserve(step)  # where it is none, too: it can say that nobody wants the file any longer
        except Exception as error:  # noqa: BLE001 - raised in `written`
            self.trouble = error
            return -1
        self._reserved += step
        return self._file.write(chunk)

    def whole(self) -> bytes:
        return self._file.getvalue()  # not copied

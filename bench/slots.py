"""A service that processes so many pictures at once, each in 50 ms, and declines others: `python -m bench.slots`.

`GET /slots/K` says how many; `GET /answers` gives the times of what was saved and of what was declined since somebody
asked, in seconds of the monotonic clock.
"""

import asyncio
import json
import time
from typing import ClassVar, cast

import uvloop

from bench.throughput.echo import HEAD, INFO, length_of, saved, serve

SLOTS = 24
TAKES_S = 0.05
_DECLINED = (
    b"<Error><Code>CpuLimitExceeded</Code><Message>made up</Message>"
    b"<RequestId>5FD7B1D2C3E4F5A6B7C8D9E0</RequestId><EC>0004-00000801</EC></Error>"
)


class _Slots(asyncio.Protocol):
    slots = SLOTS
    busy = 0
    answers: ClassVar[dict[str, list[float]]] = {"saved": [], "declined": []}

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none by class

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            until = end + 4 + length_of(head)
            if len(self._data) < until:
                return
            body, self._data = self._data[end + 4 : until], self._data[until:]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            self._process(body)
        elif b"bucketInfo" in head:
            self._write(b"200 OK", b"application/xml", INFO)
        elif b"/answers" in head:
            self._write(b"200 OK", b"application/json", json.dumps(_Slots.answers).encode())
            _Slots.answers = {"saved": [], "declined": []}
        else:
            _Slots.slots = int(head.split(b" ")[1].rpartition(b"/")[2])
            self._write(b"200 OK", b"text/plain", b"")

    def _process(self, body: bytes) -> None:
        if _Slots.busy >= _Slots.slots:
            _Slots.answers["declined"].append(time.monotonic())
            self._write(b"503 Service Unavailable", b"application/xml", _DECLINED)
            return
        _Slots.busy += 1
        asyncio.get_running_loop().call_later(TAKES_S, self._end, body)

    def _end(self, body: bytes) -> None:
        _Slots.busy -= 1
        _Slots.answers["saved"].append(time.monotonic())
        self._write(b"200 OK", b"application/json", saved(body))

    def _write(self, status: bytes, kind: bytes, content: bytes) -> None:
        assert self._transport is not None
        self._transport.write((HEAD % (kind, len(content))).replace(b"200 OK", status, 1) + content)


if __name__ == "__main__":
    uvloop.run(serve(_Slots))

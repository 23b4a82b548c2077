"""A bucket by hand: lists its keys in pages of two, and gives its objects, whole or in ranges."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from xml.sax.saxutils import escape

from tests.fakes import answer, refused
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure

T = TypeVar("T")
PAGE = 2


@dataclass
class Bucket:
    """`keys` are listed, each of 3 bytes unless `sizes` says otherwise; `contents` are given.

    `before` sees each request, and may answer in its place.
    """

    keys: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    before: Callable[[Request], Answer | Failure | None] = lambda _: None
    asked: list[Request] = field(default_factory=list)

    async def __call__(self, request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        self.asked.append(request)
        await asyncio.sleep(0)
        found = self.before(request) or self._usual(request)
        return found if isinstance(found, Failure) else judge(found)

    def _usual(self, request: Request) -> Answer:
        if not request.key:
            return self._listing(dict(request.query))
        content = self.contents.get(request.key)
        if content is None:
            return answer(404) if request.method == "HEAD" else refused(404, "NoSuchKey")
        etag, headers = f'"{hashlib.md5(content).hexdigest().upper()}"', dict(request.headers)  # noqa: S324 - as OSS does
        if request.method == "HEAD":
            return answer(200, headers={"etag": etag, "content-length": str(len(content))})
        if headers["if-match"] != etag:
            return refused(412, "PreconditionFailed")
        first, last = map(int, re.findall("[0-9]+", headers["range"]))
        return answer(206, content[first : last + 1])

    def _listing(self, query: dict[str, str]) -> Answer:
        keys = sorted(key for key in self.keys if key.startswith(query.get("prefix", "")))
        begin = int(query.get("continuation-token", "0"))
        more = len(keys) > begin + PAGE
        token = f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if more else ""
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>E</ETag><Size>{self.sizes.get(key, 3)}</Size></Contents>"
            for key in keys[begin : begin + PAGE]
        )
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return answer(200, f"<ListBucketResult>{truncated}{token}{entries}</ListBucketResult>")

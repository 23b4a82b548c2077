"""A bucket by hand, for stores: objects in memory, and what goes wrong with the next requests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote

from tests.fakes import EPOCH, answer, refused
from worker.batch.record import timestamp
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure
from worker.results.bucket import BucketStore

T = TypeVar("T")
PAGE = 3


@dataclass
class Objects:
    """Answers requests. `trouble` may answer in place of the bucket; with `lands` a PUT is done all the same.

    `meanwhile` is what others do just before the request with that number.
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    trouble: Callable[[Request], Answer | Failure | None] = lambda _: None
    lands: bool = False
    asked: list[Request] = field(default_factory=list)
    impatient: int = 0
    ages: dict[str, timedelta] = field(default_factory=dict)
    meanwhile: dict[int, Callable[[], Awaitable[object]]] = field(default_factory=dict)

    def store(self, prefix: str = "logs/copies") -> BucketStore:
        return BucketStore(self.ask, "results", prefix)

    async def ask(self, request: Request, judge: Callable[[Answer], T | Failure], *, patient: bool) -> T | Failure:
        if other := self.meanwhile.pop(len(self.asked), None):
            await other()
        self.asked.append(request)
        self.impatient += not patient
        found = self.trouble(request)
        if found is None or self.lands:
            done = self._answer(request)
            found = found or done
        return found if isinstance(found, Failure) else judge(found)

    def _answer(self, request: Request) -> Answer:
        query, headers = dict(request.query), dict(request.headers)
        if query.get("list-type") == "2":
            return self._list(query.get("prefix", ""), query.get("continuation-token", ""))
        if request.method == "DELETE":
            self.contents.pop(request.key, None)
            return answer(204)
        if request.method == "PUT":
            if request.key in self.contents:
                assert headers["x-oss-forbid-overwrite"] == "true"
                return refused(409, "FileAlreadyExists")
            self.contents[request.key] = request.body
            return answer()
        if request.key not in self.contents:
            return refused(404, "NoSuchKey")
        first, last = map(int, headers["range"].removeprefix("bytes=").split("-"))
        content = self.contents[request.key]
        assert 0 <= first <= last < len(content)
        return answer(206, content[first : last + 1])

    def _list(self, prefix: str, after: str) -> Answer:
        keys = sorted(key for key in self.contents if key.startswith(prefix) and key > after)
        page, more = keys[:PAGE], len(keys) > PAGE
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><ETag>&quot;E&quot;</ETag><Size>{len(self.contents[key])}</Size>"
            f"<LastModified>{timestamp(EPOCH - self.ages.get(key, timedelta()))}</LastModified>"
            "<StorageClass>Standard</StorageClass></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if more else ""
        return answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{entries}</ListBucketResult>",
        )


LOST = failure("ConnectionLost", "made up")

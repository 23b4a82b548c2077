"""Listing a prefix: page by page, one page ahead, and what it means when a page does not come."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

import pytest

from tests.fakes import answer, refused
from tests.unit.sources.jobs import prefix
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure
from worker.sources.listing import listed_objects

T = TypeVar("T")


def page(keys: list[str], token: str = "") -> Answer:
    entries = "".join(
        f"<Contents><Key>{quote(key)}</Key><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents>" for key in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    truncated = str(bool(token)).lower()
    return answer(
        200,
        f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{more}{entries}"
        "</ListBucketResult>",
    )


class Pages:
    """Answers requests for pages by their tokens."""

    def __init__(self, pages: dict[str, Answer | Failure]) -> None:
        self.asked: list[str] = []
        self.cancelled = 0
        self._pages = pages

    async def __call__(self, request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        query = dict(request.query)
        assert (query["list-type"], query["encoding-type"], query["prefix"]) == ("2", "url", "in/")
        token = query.get("continuation-token", "")
        self.asked.append(token)
        found = self._pages.get(token)
        if found is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            raise AssertionError
        return found if isinstance(found, Failure) else judge(found)


THREE: dict[str, Answer | Failure] = {
    "": page(["in/a", "in/b"], "t1"),
    "t1": page([], "t2"),
    "t2": page(["in/c d+%", "in/雪"]),
}


async def keys(pages: Pages) -> list[str]:
    return [found.key async for found in listed_objects(pages, prefix())]


async def test_all_pages_come_in_order_also_after_an_empty_one() -> None:
    pages = Pages(THREE)
    assert await keys(pages) == ["in/a", "in/b", "in/c d+%", "in/雪"]
    assert pages.asked == ["", "t1", "t2"]


async def test_the_next_page_is_asked_for_while_this_one_is_used_and_no_other() -> None:
    pages = Pages(THREE)
    stream = listed_objects(pages, prefix())
    assert (await anext(stream)).key == "in/a"
    await asyncio.sleep(0)
    assert pages.asked == ["", "t1"]
    await stream.aclose()


async def test_who_leaves_in_the_middle_leaves_no_question_behind() -> None:
    pages = Pages({"": page(["in/a"], "t1")})
    stream = listed_objects(pages, prefix())
    assert (await anext(stream)).key == "in/a"
    await asyncio.sleep(0)
    await stream.aclose()
    assert pages.cancelled == 1


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (refused(404, "NoSuchBucket"), UsageError, "'photos' does not exist"),
        (refused(403, "AccessDenied"), AccessError, "oss:ListObjects"),
        (refused(403, "SignatureDoesNotMatch"), AccessError, "mend: Check the secret"),
        (refused(503, "ServiceUnavailable"), StoppedError, "ServiceUnavailable: made up"),
        (answer(200, "<html/>"), StoppedError, "UnreadableAnswer"),
        (failure("ConnectionFailed", "nobody there"), StoppedError, "nobody there"),
    ],
)
@pytest.mark.parametrize("token", ["", "t2"])
async def test_a_page_that_does_not_come_is_told_with_the_line_of_the_entry(
    refusal: Answer | Failure, kind: type[WorkerError], words: str, token: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        await keys(Pages({**THREE, token: refusal}))
    assert "job.yaml:5" in str(caught.value)

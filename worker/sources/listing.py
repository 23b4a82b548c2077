"""Listing a prefix page by page, one page ahead."""

import asyncio
from collections.abc import AsyncGenerator

from worker.batch.entry import PrefixSource
from worker.oss.answer import Answer, ListedObject, Listing, parse_listing
from worker.oss.request import list_objects
from worker.oss.verdict import Failure, judge_reading
from worker.sources.asking import Ask, refused


async def listed_objects(ask: Ask, entry: PrefixSource) -> AsyncGenerator[ListedObject, None]:
    """The objects below a prefix, in the service's order.

    Raises:
        AccessError: The credentials may not list it.
        UsageError: The bucket does not exist.
        StoppedError: The service does not answer, or not with a listing.
    """

    async def page(token: str) -> Listing | Failure:
        return await ask(list_objects(entry.bucket, entry.prefix, token), judge_listing)

    ahead = asyncio.create_task(page(""), name=f"list {entry.prefix}")
    try:
        while True:
            listing = await ahead
            if isinstance(listing, Failure):
                what = f"list oss://{entry.bucket}/{entry.prefix}"
                raise refused(entry.place, what, listing, entry.bucket, "oss:ListObjects on the bucket")
            if listing.next_token:
                ahead = asyncio.create_task(page(listing.next_token), name=f"list {entry.prefix}")
            for listed in listing.objects:
                yield listed
            if not listing.next_token:
                return
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)


def judge_listing(answer: Answer) -> Listing | Failure:
    """What an answer to ListObjectsV2 says."""
    return judge_reading(answer, parse_listing)

"""Listing a prefix page by page, one page ahead."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from worker.batch.entry import PrefixSource
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.answer import Answer, ListedObject, Listing, parse_listing
from worker.oss.codes import CODES, CREDENTIAL_CODES
from worker.oss.request import Request, list_objects
from worker.oss.verdict import Failure, judge_reading

# Sends a request on the control lane until its verdict stands.
Ask = Callable[[Request, Callable[[Answer], Listing | Failure]], Awaitable[Listing | Failure]]


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
                raise _error(entry, listing)
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


def _error(entry: PrefixSource, refusal: Failure) -> WorkerError:
    what = f"{entry.place}: cannot list oss://{entry.bucket}/{entry.prefix}: {refusal.code}: {refusal.message}"
    if refusal.code == "NoSuchBucket":
        return UsageError(entry.place.problem(f"the bucket {entry.bucket!r} does not exist", "correct its name"))
    if refusal.code == "AccessDenied":
        return AccessError(f"{what}\n    mend: allow oss:ListObjects on the bucket")
    if refusal.code in CREDENTIAL_CODES:
        return AccessError(f"{what}\n    mend: {CODES[refusal.code].mend}")
    return StoppedError(what)

"""The results of a job in a bucket: objects that are put once and never changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol, TypeVar

from worker.errors import AccessError, UsageError
from worker.oss.answer import Answer, Listing, parse_listing
from worker.oss.codes import CODES, CREDENTIAL_CODES
from worker.oss.names import ObjectRef
from worker.oss.request import Request, delete_object, get_range, list_objects, put_new_object
from worker.oss.verdict import Failure, failure, judge_error, judge_reading
from worker.results.store import GoneError, Store, Stored, StoreError, TakenError

T = TypeVar("T")
_RIGHTS = "oss:ListObjects on the bucket of the results, oss:GetObject and oss:PutObject below their prefix"
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Ask(Protocol):
    """Sends a request on the control lane: until its verdict stands, or with `patient` False no more than once."""

    async def __call__(self, request: Request, judge: Callable[[Answer], T | Failure], *, patient: bool) -> T | Failure:
        """The verdict."""


class BucketStore(Store):
    """A store below a prefix of a bucket. Writing is tried once at a time: who writes has a patience of its own."""

    def __init__(self, ask: Ask, bucket: str, prefix: str) -> None:
        self._ask = ask
        self._bucket = bucket
        self._prefix = f"{prefix}/"

    def path(self, name: str) -> str:
        """The object of a file."""
        return str(self._ref(name))

    async def files(self, below: str = "") -> list[Stored]:
        """See `Store`; also raises UsageError and AccessError where the settings are to blame, or the credentials."""
        found = await self._list(below, patient=True)
        if isinstance(found, Failure):
            raise self._error(f"cannot list {self.path(below)}", found)
        return found

    async def read(self, file: Stored, first: int, count: int) -> bytes:
        """See `Store`; also raises AccessError where the credentials are to blame."""
        piece = await self._read(file, first, count, patient=True)
        if isinstance(piece, Failure):
            if piece.code == "NoSuchKey":
                raise GoneError(self.path(file.name))
            raise self._error(f"cannot read {self.path(file.name)}", piece)
        return piece

    async def create(self, name: str, content: bytes) -> None:
        """See `Store`."""
        verdict = await self._ask(put_new_object(self._ref(name), content), _judge_done, patient=False)
        if isinstance(verdict, Failure) and verdict.code == "FileAlreadyExists":
            # An attempt that seemed to fail has put it, or it is another's.
            verdict = await self._holds(name, content)
        if isinstance(verdict, Failure):
            raise self._refused(f"cannot put {self.path(name)}", verdict)
        if not verdict:
            raise TakenError(self.path(name))

    async def delete(self, name: str) -> None:
        """See `Store`."""
        verdict = await self._ask(delete_object(self._ref(name)), _judge_done, patient=True)
        if isinstance(verdict, Failure):
            raise self._refused(f"cannot delete {self.path(name)}", verdict)

    async def _holds(self, name: str, content: bytes) -> bool | Failure:
        """Whether a file has this content."""
        listed = await self._list(name, patient=False)
        if isinstance(listed, Failure):
            return listed
        for file in listed:
            if file.name == name and file.size == len(content):
                piece = await self._read(file, 0, file.size, patient=False) if content else b""
                return piece if isinstance(piece, Failure) else piece == content
        return False

    async def _list(self, below: str, *, patient: bool) -> list[Stored] | Failure:
        found: list[Stored] = []
        token = ""
        while True:
            request = list_objects(self._bucket, self._prefix + below, token)
            page = await self._ask(request, _judge_listing, patient=patient)
            if isinstance(page, Failure):
                return page
            found += self._stored(page)
            token = page.next_token
            if not token:
                return found

    async def _read(self, file: Stored, first: int, count: int, *, patient: bool) -> bytes | Failure:
        count = min(count, file.size - first)
        request = get_range(self._ref(file.name), first, first + count - 1, f'"{file.mark}"')
        return await self._ask(request, lambda answer: _judge_piece(answer, count), patient=patient)

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self._bucket, self._prefix + name)

    def _stored(self, page: Listing) -> list[Stored]:
        return [
            Stored(listed.key.removeprefix(self._prefix), listed.size, listed.modified or _LONG_AGO, listed.etag)
            for listed in page.objects
        ]

    def _error(self, what: str, refusal: Failure) -> Exception:
        if refusal.code == "NoSuchBucket":
            return UsageError(f"results: the bucket {self._bucket!r} does not exist", "create it, or correct `results`")
        if refusal.code in CREDENTIAL_CODES:
            return AccessError(f"{what}: {refusal.code}: {refusal.message}\n    mend: {CODES[refusal.code].mend}")
        return self._refused(what, refusal)

    def _refused(self, what: str, refusal: Failure) -> StoreError:
        mend = f"\n    mend: allow {_RIGHTS}" if refusal.code == "AccessDenied" else ""
        return StoreError(f"{what}: {refusal.code}: {refusal.message}{mend}")


def _judge_listing(answer: Answer) -> Listing | Failure:
    return judge_reading(answer, parse_listing)


def _judge_done(answer: Answer) -> bool | Failure:
    return judge_error(answer) if answer.status >= HTTPStatus.MULTIPLE_CHOICES else True


def _judge_piece(answer: Answer, count: int) -> bytes | Failure:
    # 200 is the whole object, which is what was asked for where it has one piece only.
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return judge_error(answer)
    if len(answer.body) != count:
        return failure("UnreadableAnswer", f"{len(answer.body)} bytes of an object, where {count} are due", answer)
    return answer.body

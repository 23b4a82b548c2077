"""Symlinks: objects that stand for another one of their bucket. Sources: OSS, PutSymlink, GetSymlink."""

from dataclasses import replace
from email.utils import formatdate
from hashlib import md5
from urllib.parse import quote, unquote_to_bytes

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking
from worker.emulator.operations.writing import SYMLINK_TARGET, check_write, described, guard_of
from worker.emulator.store import ObjectType, put_described
from worker.oss.names import key_problem


async def put_symlink(call: Call) -> Answer:
    """Make a symlink. What it stands for need not be there (documented). Its ETag is made of that name (a guess)."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "PutSymlink", bucket)
    given = call.headers.get(SYMLINK_TARGET, "")
    try:
        target = unquote_to_bytes(given).decode()
    except UnicodeDecodeError:
        raise refusals.invalid_argument(SYMLINK_TARGET, given, f"{SYMLINK_TARGET} is not UTF-8.") from None
    if key_problem(target):
        raise refusals.invalid_argument(SYMLINK_TARGET, given, f"{SYMLINK_TARGET} must be the name of an object.")
    link = described(call, ObjectType.SYMLINK)
    etag = md5(target.encode(), usedforsecurity=False).hexdigest().upper()
    link = replace(link, headers={**link.headers, SYMLINK_TARGET: target}, etag=etag)
    stored = await blocking(put_described, call.store, bucket.name, call.request.key, b"", link, guard_of(call))
    return Answer(headers=(("ETag", f'"{stored.etag}"'),))


async def get_symlink(call: Call) -> Answer:
    """What a symlink stands for."""
    bucket = await call.need_bucket(call.request.bucket)
    stored = await blocking(call.store.stat, bucket.name, call.request.key)
    if stored is None:
        raise refusals.no_such_key(call.request.key)
    if stored.description.type is not ObjectType.SYMLINK:
        raise refusals.not_symlink()
    headers = dict(stored.headers)
    target = quote(headers.pop(SYMLINK_TARGET, ""), safe="")
    identity = (("ETag", f'"{stored.etag}"'), ("Last-Modified", formatdate(stored.modified, usegmt=True)))
    return Answer(headers=((SYMLINK_TARGET, target), *identity, *headers.items()))

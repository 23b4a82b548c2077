"""Operations on styles. Sources: OSS, PutStyle, GetStyle, ListStyle, DeleteStyle."""

from email.utils import formatdate

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.documents import request_document
from worker.emulator.store import StoredStyle
from worker.emulator.styles import check_style_name, define_style
from worker.emulator.xml import branch, document, leaf

_MAX_DOCUMENT = 64 << 10


async def put_style(call: Call) -> Answer:
    """Define a style, or define it anew."""
    name = await _named(call)
    root = request_document(await call.read(_MAX_DOCUMENT), "Style")
    content = (root.findtext("Content") or "").strip()
    await blocking(define_style, call.store, call.request.bucket, name, content)
    return Answer()


async def get_style(call: Call) -> Answer:
    """What a style stands for."""
    name = await _named(call)
    style = await blocking(call.store.style, call.request.bucket, name)
    if style is None:
        raise refusals.no_such_style(name)
    return xml_answer(document("Style", *_described(style)))


async def list_style(call: Call) -> Answer:
    """All styles of a bucket."""
    await call.need_bucket(call.request.bucket)
    styles = await blocking(call.store.styles, call.request.bucket)
    return xml_answer(document("StyleList", *(branch("Style", *_described(style)) for style in styles)))


async def delete_style(call: Call) -> Answer:
    """Remove a style; also answers 204 where there is none."""
    name = await _named(call)
    await blocking(call.store.delete_style, call.request.bucket, name)
    return Answer(204)


async def _named(call: Call) -> str:
    name = call.query.get("styleName", "")
    check_style_name(name)
    await call.need_bucket(call.request.bucket)
    return name


def _described(style: StoredStyle) -> list[str]:
    changed = formatdate(style.modified, usegmt=True)
    # A store knows one time of a style, that of its last change.
    return [
        leaf("Name", style.name),
        leaf("Content", style.content),
        leaf("Category", "image"),
        leaf("CreateTime", changed),
        leaf("LastModifyTime", changed),
    ]

"""Styles: what they stand for on the service."""

from collections.abc import Iterable

from worker.batch.revision import NamedStyle
from worker.dispatch.sender import Sender
from worker.errors import AccessError, Problem, StoppedError, UsageError
from worker.oss.answer import Answer, parse_style
from worker.oss.codes import CODES, CREDENTIAL_CODES, Remedy
from worker.oss.request import get_style
from worker.oss.verdict import Failure, judge_reading


async def read_styles(sender: Sender, styles: Iterable[NamedStyle]) -> dict[tuple[str, str], str]:
    """The contents of styles, by bucket and name.

    Raises:
        UsageError: One cannot be read.
        AccessError: The credentials are refused.
        StoppedError: The service does not answer.
    """
    contents: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    for style in styles:
        verdict = (await sender.call(get_style(style.bucket, style.name), judge_style)).verdict
        if isinstance(verdict, Failure):
            if verdict.code in CREDENTIAL_CODES:
                message = f"{verdict.code}: {verdict.message}\n    mend: {CODES[verdict.code].mend}"
                raise AccessError(message)
            if not verdict.http and verdict.remedy is not Remedy.NONE:
                message = f"the style {style.name!r} of bucket {style.bucket!r} cannot be read: {verdict.message}"
                raise StoppedError(message)
            problems.append(style.place.problem(unreadable_style(style, verdict), style_mend(style, verdict)))
        else:
            contents[style.bucket, style.name] = verdict
    if problems:
        raise UsageError(problems)
    return contents


def judge_style(answer: Answer) -> str | Failure:
    """What an answer to GetStyle says."""
    return judge_reading(answer, parse_style)


def unreadable_style(style: NamedStyle, refusal: Failure) -> str:
    """Why a style cannot be read."""
    return f"the style {style.name!r} of bucket {style.bucket!r} cannot be read: {refusal.code}: {refusal.message}"


def style_mend(style: NamedStyle, refusal: Failure) -> str:
    """How to make it readable."""
    if refusal.code == "NoSuchStyle":
        return "create it on that bucket, or correct its name"
    if refusal.code == "AccessDenied":
        return f"allow oss:GetStyle on acs:oss:*:*:{style.bucket}" + (
            ", or raise a revision by hand" if style.follows else ""
        )
    return "raise a revision by hand" if style.follows else "see `oss-saveas explain`"

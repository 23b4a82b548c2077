"""Tags of an object: what they may be, and the header that brings them. Pure. Source: OSS, PutObjectTagging."""

from collections.abc import Iterable
from urllib.parse import unquote_plus

from worker.emulator import refusals
from worker.emulator.store import Tags

MAX_TAGS = 10
MAX_TAG_KEY, MAX_TAG_VALUE = 128, 256  # characters
_SIGNS = frozenset(" +-=._:/")


def tags_in(header: str) -> Tags:
    """The tags in `x-oss-tagging`: `key=value&key`, both encoded as in a query.

    Raises:
        RefusedError: It has another form, or the tags may not be.
    """
    return checked_tags(map(_tag, header.split("&")) if header else ())


def checked_tags(tags: Iterable[tuple[str, str]]) -> Tags:
    """The tags as they are.

    Raises:
        RefusedError: There are too many, one stands there twice, or has what no tag may have.
    """
    found = tuple(tags)
    if len(found) > MAX_TAGS:
        raise refusals.invalid_tag(f"An object has at most {MAX_TAGS} tags.")
    if len({key for key, _ in found}) < len(found):
        raise refusals.invalid_tag("The tags of an object have different keys.", "0010-00000210")
    for key, value in found:
        if not 1 <= len(key) <= MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            limits = f"The key of a tag has 1 to {MAX_TAG_KEY} characters, its value at most {MAX_TAG_VALUE}."
            raise refusals.invalid_tag(limits)
        if not all(letter.isalnum() or letter in _SIGNS for letter in key + value):
            raise refusals.invalid_tag("A tag is made of letters, digits, spaces and + - = . _ : /")
    return found


def _tag(part: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    if "=" in value:
        raise refusals.invalid_tag("A tag is written as key or key=value.", "0010-00000219")
    return unquote_plus(key), unquote_plus(value)

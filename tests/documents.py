"""The documents, read as their readers' tools read them: links, the anchors they lead to, and fenced blocks."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
_NO_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, what stands behind its fence, and what is in it.

    `shown` is the block of text right after it, if there is one: what its commands print, among other things.
    """

    document: Path
    line: int
    info: str
    content: str
    shown: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@cache
def tokens(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(document.read_text(encoding="utf-8"))


def blocks(document: Path, *infos: str) -> Iterator[Block]:
    """The fenced blocks of a document with one of these words behind their fence."""
    found = [token for token in tokens(document) if token.level == 0 or token.type == "fence"]
    for token, after in zip(found, [*found[1:], None], strict=True):
        if token.type == "fence" and token.info in infos:
            shown = after.content if after and after.type == "fence" and after.info == "text" else ""
            assert token.map is not None
            yield Block(document, token.map[0] + 1, token.info, token.content, shown)


def spans(document: Path) -> Iterator[str]:
    """Code within sentences and tables."""
    for token in tokens(document):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def links(document: Path) -> Iterator[str]:
    """Where the links and pictures of a document lead."""
    for token in tokens(document):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield str(target)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: Counter[str] = Counter()
    slugs = set()
    for opening, inline in zip(tokens(document), tokens(document)[1:], strict=False):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            slug = _NO_SLUG.sub("", text.lower()).replace(" ", "-")
            slugs.add(f"{slug}-{found[slug]}" if found[slug] else slug)
            found[slug] += 1
    return slugs

"""The documents: every link leads somewhere, every page is found, every command and option in them is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.main import get_command

from tests.documents import DOCUMENTS, ROOT, anchors, blocks, links, spans
from worker.cli.main import app

_MOST_BYTES = 300_000
_IN_CODE = re.compile(r"\bdocs/[\w/.-]+\.(?:md|json|png|svg)\b")
_COMMAND = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?oss-saveas ([a-z]+)\b(.*)", re.MULTILINE)
_OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]*)")


def commands(document: Path) -> Iterator[tuple[str, str]]:
    """All commands in a document, in blocks and in sentences: the name, and what follows it."""
    fenced = (block.content for block in blocks(document, "sh", "sh cluster", "yaml", "text"))
    for text in (*fenced, *spans(document)):
        for name, rest in _COMMAND.findall(text):
            yield name, rest.partition("#")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        found = (document.parent / unquote(place)).resolve() if place else document
        assert found.is_relative_to(ROOT), link
        assert found.exists(), link
        if anchor:
            assert anchor in anchors(found), link


def test_every_page_and_picture_is_found_from_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / unquote(link.partition("#")[0])).resolve() for link in links(index) if "://" not in link}
    assert set((ROOT / "docs").glob("*.md")) <= {*linked, index}
    shown = {(document.parent / link).resolve() for document in DOCUMENTS for link in links(document)}
    for picture in (ROOT / "docs/img").iterdir():
        assert picture in shown, picture
        assert picture.stat().st_size < _MOST_BYTES, picture


def test_what_the_code_says_of_documents_is_there() -> None:
    texts = [
        path
        for pattern in ("*.py", "*.yaml", "*.toml", "Makefile", "Dockerfile")
        for place in ("worker", "tests", "bench", "deploy", "jobs")
        for path in (ROOT / place).rglob(pattern)
    ]
    for path in (*texts, ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "config.yaml"):
        for name in _IN_CODE.findall(path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), (path, name)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_is_there(document: Path) -> None:
    known = get_command(app).commands  # type: ignore[attr-defined] # a group, as there are several commands
    for name, rest in commands(document):
        assert name in known, name
        options = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
        assert set(_OPTION.findall(rest)) <= options, (name, rest)


def test_commands_are_looked_for_in_blocks_and_sentences() -> None:
    found = {name for document in DOCUMENTS for name, _ in commands(document)}
    assert found >= {"run", "retry", "verify", "status", "report", "plan", "check", "policy", "validate", "serve"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_of_commands_says_where_it_runs(document: Path) -> None:
    """Run by tests/e2e/test_documents.py, or marked as needing a cluster; then a shell can read it, at least."""
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"^\s*```(\S[^\n]*)$", text, re.MULTILINE)) <= {
        "sh",
        "sh cluster",
        "yaml",
        "text",
        "python",
        "sql",
    }
    for block in blocks(document, "sh cluster"):
        read = subprocess.run(["sh", "-n"], input=block.content, text=True, capture_output=True, check=False)  # noqa: S607 - the system's
        assert read.returncode == 0, (block.place, read.stderr)

"""Golden files: documents, each with the exact answer that a person who wrote it gets."""

from dataclasses import dataclass
from pathlib import Path

_WRONG = Path(__file__).parent / "wrong"
_ANSWER = "--- is answered by\n"
_WITH = "--- with\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A document, what was given beside it (`NAME=value`), and the answer."""

    title: str
    text: str
    given: dict[str, str]
    answer: str


def cases(name: str) -> list[Case]:
    """All cases of a golden file. A case begins with a line `=== title`."""
    return [_case(block) for block in ("\n" + (_WRONG / name).read_text("utf-8")).split("\n=== ")[1:]]


def _case(block: str) -> Case:
    title, _, rest = block.partition("\n")
    text, _, answer = rest.partition(_ANSWER)
    text, _, given = text.partition(_WITH)
    pairs = dict(line.split("=", 1) for line in given.splitlines())
    return Case(title, text, pairs, answer.rstrip("\n"))

"""Collisions: a proof, from templates alone, that no two tasks can have one target.

Every answer is conservative: True is a proof, False says only that none was found. A template is folded to literals and
variables, and taken apart where the boundary between two pieces can be seen in every target key: at a `/` that the
pieces before or after it cannot hold, after the 16 characters of a hash, at the dot of an extension. A variable with
both ends in sight is determined: equal targets mean equal values of it.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from worker.batch.pipeline import Pipeline

# The variables that hold no '/', with what a character of their values can be. An extension follows the last dot.
_ALPHABETS = {
    "bucket": re.compile(r"[a-z0-9-]", re.ASCII),
    "hash": re.compile(r"[0-9a-f]", re.ASCII),
    "ext": re.compile(r"[^./]"),
    "format": re.compile(r"[^./]"),
    "name": re.compile(r"[^/]"),
    "stem": re.compile(r"[^/]"),
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A field whose value depends on the source. `joint` is the literal beside it that comes and goes with it.

    `dir` with the joint `/` is empty or ends with it; `ext` and `format` with the joint `.` are empty or begin with it.
    """

    name: str
    joint: str = ""


Token = str | Variable
Tokens = tuple[Token, ...]
Halves = tuple[Tokens, Tokens]

KEY = Variable("key")
_NAME = Variable("name")
_STEM = Variable("stem")
DIRECTORY = Variable("dir", "/")
_EXTENSION = Variable("ext", ".")
_DOTTED = frozenset({_EXTENSION, Variable("format", ".")})
# Variables that end with the name of the source, whole or without its extension.
_NAMELIKE = frozenset({KEY, _NAME, _STEM})


def fold(pipeline: Pipeline, job: str, bucket: str | None) -> Tokens:
    """The template of the target key in literals and variables, literals joined.

    `bucket` is the one source bucket; None where there are several.
    """
    constants = {"pipeline": pipeline.name, "job": job}
    if bucket is not None:
        constants["bucket"] = bucket
    if pipeline.output_format is not None:
        constants |= {"ext": pipeline.output_format, "format": pipeline.output_format}
    parts = pipeline.target_key.parts
    named = [part if isinstance(part, str) else constants.get(part.name, Variable(part.name)) for part in parts]
    return _identified(_joined(named))


def literal_prefix(tokens: Tokens) -> str:
    """What every target key begins with."""
    return tokens[0] if tokens and isinstance(tokens[0], str) else ""


def determined(tokens: Tokens) -> AbstractSet[Variable]:
    """The variables whose values can be told from any target key of the template."""
    tokens = _stripped(tokens)
    if len(tokens) <= 1:
        return frozenset(token for token in tokens if isinstance(token, Variable))
    if _extended(tokens):
        return frozenset(token for token in tokens if isinstance(token, Variable))
    for split in (_at_fixed_length, _at_directory, _at_first_slash, _at_last_slash, _at_foreign_character):
        if halves := split(tokens):
            return determined(halves[0]) | determined(halves[1])
    return frozenset()


def tells_apart(tokens: Tokens, columns: AbstractSet[str], *, several_buckets: bool) -> bool:
    """Whether different sources, and rows that differ in these columns, are proven to have different targets."""
    found = determined(tokens)
    names = {variable.name for variable in found}
    name = "name" in names or ("stem" in names and _EXTENSION in found)
    key = "key" in names or (name and "dir" in names)
    return key and ("bucket" in names or not several_buckets) and names >= {f"row.{column}" for column in columns}


def disjoint(one: Tokens, other: Tokens) -> bool:
    """Whether two templates are proven never to have a target in common, whatever their sources."""
    one, other, differ = _without_common_ends(one, other)
    if differ or not (one and other):
        return differ
    for split in (_at_directory, _at_first_slash, _at_last_slash):
        halves, other_halves = split(one), split(other)
        if halves and other_halves:
            return any(disjoint(half, other_half) for half, other_half in zip(halves, other_halves, strict=True))
    # The extension stands after the last dot, if there is one at all: it is there in both or in neither.
    if _extended(one) and _extended(other) and not _holds_dot(one[1:-1]) and not _holds_dot(other[1:-1]):
        return disjoint(one[:-1], other[:-1])
    return False


def _joined(tokens: Iterable[Token]) -> Tokens:
    """Adjacent literals joined, empty ones left out."""
    joined: list[Token] = []
    for token in tokens:
        last = joined[-1] if joined else None
        if isinstance(token, str) and isinstance(last, str):
            joined[-1] = last + token
        elif token:
            joined.append(token)
    return tuple(joined)


def _identified(tokens: Tokens) -> Tokens:
    """Joints found, and whole names and keys known again in their parts."""
    found: list[Token] = []
    for token in tokens:
        last = found[-1] if found else ""
        if last == Variable("dir") and isinstance(token, str) and token.startswith("/"):
            found[-1:] = [DIRECTORY, token[1:]]
        elif token in {Variable("ext"), Variable("format")} and isinstance(last, str) and last.endswith("."):
            found[-1:] = [last[:-1], Variable(token.name, ".")]
        else:
            found.append(token)
    tokens = _joined(found)
    for pair, whole in (((_STEM, _EXTENSION), _NAME), ((DIRECTORY, _NAME), KEY)):
        at = next((index for index in range(len(tokens)) if tokens[index : index + 2] == pair), None)
        while at is not None:
            tokens = (*tokens[:at], whole, *tokens[at + 2 :])
            at = next((index for index in range(len(tokens)) if tokens[index : index + 2] == pair), None)
    return tokens


def _stripped(tokens: Tokens) -> Tokens:
    """Without the literals at the ends."""
    start = 1 if tokens and isinstance(tokens[0], str) else 0
    end = len(tokens) - 1 if len(tokens) > start and isinstance(tokens[-1], str) else len(tokens)
    return tokens[start:end]


def _extended(tokens: Tokens) -> bool:
    """Whether this is a name, perhaps a literal, and an extension with its dot.

    Then both variables are determined. Where there is no extension, the name holds no dot but as its first character;
    where there is one, the name before it is not empty, and it is all that follows the last dot. For one target to come
    from both cases, the literal would have to repeat itself, without its own dot and with it.
    """
    return (
        len(tokens) in {2, 3}
        and tokens[0] in _NAMELIKE
        and tokens[-1] in _DOTTED
        and all(isinstance(token, str) and "/" not in token for token in tokens[1:-1])
    )


def _one_segment(tokens: Tokens) -> bool:
    return all("/" not in token if isinstance(token, str) else token.name in _ALPHABETS for token in tokens)


def _at_fixed_length(tokens: Tokens) -> Halves | None:
    """At a hash at either end: it has 16 characters."""
    if tokens[0] == Variable("hash"):
        return tokens[:1], tokens[1:]
    return (tokens[:-1], tokens[-1:]) if tokens[-1] == Variable("hash") else None


def _at_directory(tokens: Tokens) -> Halves | None:
    """After the directory at the beginning, where nothing behind it holds a `/`."""
    if not _one_segment(tokens[1:]):
        return None
    if tokens[0] == KEY:
        return (DIRECTORY,), (_NAME, *tokens[1:])
    return (tokens[:1], tokens[1:]) if tokens[0] == DIRECTORY and len(tokens) > 1 else None


def _at_first_slash(tokens: Tokens) -> Halves | None:
    """At the first `/`, where it is a literal."""
    for index, token in enumerate(tokens):
        if isinstance(token, str) and "/" in token:
            before, _, after = token.partition("/")
            return _joined((*tokens[:index], before)), _joined((after, *tokens[index + 1 :]))
        if not _one_segment((token,)):
            return None
    return None


def _at_last_slash(tokens: Tokens) -> Halves | None:
    """At the last `/`, where it is a literal."""
    for index, token in reversed(list(enumerate(tokens))):
        if isinstance(token, str) and "/" in token:
            before, _, after = token.rpartition("/")
            return _joined((*tokens[:index], before)), _joined((after, *tokens[index + 1 :]))
        if not _one_segment((token,)):
            return None
    return None


def _at_foreign_character(tokens: Tokens) -> Halves | None:
    """Where the literal beside the first or the last variable begins with a character that the variable cannot hold."""
    first, second, before, last = tokens[0], tokens[1], tokens[-2], tokens[-1]
    if isinstance(second, str) and _cannot_hold(first, second[0]):
        return tokens[:1], tokens[1:]
    if isinstance(before, str) and _cannot_hold(last, before[-1]):
        return tokens[:-1], tokens[-1:]
    return None


def _cannot_hold(token: Token, character: str) -> bool:
    alphabet = _ALPHABETS.get(token.name) if isinstance(token, Variable) and not token.joint else None
    return alphabet is not None and not alphabet.fullmatch(character)


def _without_common_ends(one: Tokens, other: Tokens) -> tuple[Tokens, Tokens, bool]:
    """Both without the literals they begin and end with alike, and whether these differ."""
    if one and other and isinstance(one[0], str) and isinstance(other[0], str):
        length = min(len(one[0]), len(other[0]))
        if one[0][:length] != other[0][:length]:
            return one, other, True
        one, other = (_joined((str(tokens[0])[length:], *tokens[1:])) for tokens in (one, other))
    if one and other and isinstance(one[-1], str) and isinstance(other[-1], str):
        length = min(len(one[-1]), len(other[-1]))
        if one[-1][-length:] != other[-1][-length:]:
            return one, other, True
        one, other = (_joined((*tokens[:-1], str(tokens[-1])[:-length])) for tokens in (one, other))
    return one, other, False


def _holds_dot(tokens: Tokens) -> bool:
    return any(isinstance(token, str) and "." in token for token in tokens)

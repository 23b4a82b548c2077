"""The tree of a YAML text: nodes that know where they stand, built without interpreting anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from worker.batch import syntax

MAX_ALIASES = 50
# More than a file within the byte limit holds by itself: only aliases of aliases get there.
MAX_VALUES = 1_000_000
MAX_DEPTH = 40
# Keys that merges take over, over and over: each costs as if it were written.
MAX_MERGED = 10_000

Data = None | str | list["Data"] | dict[str, "Data"]
# Line and column, from 1.
Mark = tuple[int, int]

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_STRING_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, slots=True)
class Node:
    """A value, where it begins, and its members.

    With aliases followed, `size` counts the values it stands for, and `height` the levels below it.
    """

    mark: Mark
    data: Data
    members: "Sequence[Node] | Mapping[str, Member]" = ()
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A key of a mapping, where it stands, and its value."""

    mark: Mark
    node: Node


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a place of a text, and how to mend it."""

    mark: Mark
    reason: str
    mend: str


class UnreadableError(ValueError):
    """A text is no document; `mistake` is the first reason."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.reason)
        self.mistake = mistake


class TreeReader:
    """Builds the tree of nodes from the parser's events.

    Not from the composer's nodes: events tell an alias from a copy and a written tag from a resolved one, in a quarter
    of the time.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.mistakes: list[Mistake] = []
        self._lines = lines
        self._anchors: dict[str, Node] = {}
        self._aliases = 0
        self._events: Iterator[yaml.Event] = iter(())
        self._merged = 0

    def read(self, text: str) -> Node:
        """The root of the tree; what is wrong with a readable text is added to `mistakes`.

        Raises:
            UnreadableError: The text is no single YAML document within the limits.
        """
        try:
            self._events = yaml.parse(text, yaml.CSafeLoader)
            next(self._events)  # the start of the stream
            if isinstance(next(self._events), yaml.StreamEndEvent):
                return Node((1, 1), None)
            root = self._node(next(self._events), 0)
            next(self._events)  # the end of the document
            if not isinstance(following := next(self._events), yaml.StreamEndEvent):
                raise _unreadable(following, "a second document in one file", "leave out the line `---`")
        except yaml.MarkedYAMLError as error:
            reason, mend, line, column = syntax.explain(error, self._lines)
            raise UnreadableError(Mistake((line, column), reason, mend)) from None
        return root

    def _add(self, mark: Mark, reason: str, mend: str) -> None:
        self.mistakes.append(Mistake(mark, reason, mend))

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        # Where a value is due the parser gives nothing else: what is missing is an empty scalar.
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        self._check_depth(event, depth)
        if event.tag not in _STRING_TAGS:
            mend = "leave it out: every value is read as text"
            self._add(_mark(event), f"the tag {event.tag!r} means nothing here", mend)
        if isinstance(event, yaml.ScalarEvent):
            null = not event.style and event.tag is None and event.value in _NULLS
            node = Node(_mark(event), None if null else event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if node.size > MAX_VALUES:
            reason = f"its aliases stand for more than {MAX_VALUES:,} values"
            raise _unreadable(event, reason, "put the keys into a file of their own")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _check_depth(self, event: yaml.Event, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _unreadable(event, f"nested deeper than {MAX_DEPTH} levels", "nothing here needs that")

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise _unreadable(event, f"more than {MAX_ALIASES} aliases", "put what repeats into a file of its own")
        if event.anchor not in self._anchors:
            raise _unreadable(event, f"no value named &{event.anchor} stands before this alias", syntax.QUOTE_STAR)
        node = self._anchors[event.anchor]
        self._check_depth(event, depth + node.height)
        return node

    def _sequence(self, start: yaml.Event, depth: int) -> Node:
        nodes = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, depth + 1))
        return Node(_mark(start), [node.data for node in nodes], nodes, *_extent(nodes))

    def _mapping(self, start: yaml.Event, depth: int) -> Node:
        members: dict[str, Member] = {}
        merged: dict[str, Member] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            mark = _mark(event)
            node = self._node(next(self._events), depth + 1)
            if key.data == "<<" and isinstance(event, yaml.ScalarEvent) and not event.style:
                self._merge(node, mark, merged)
            elif not isinstance(key.data, str):
                self._add(mark, "a key is one piece of text", "put it in quotes if it is meant as text")
            elif key.data in members:
                line, column = members[key.data].mark
                mend = f"keep one: the first is at line {line}, column {column}"
                self._add(mark, f"the key {key.data!r} stands twice", mend)
            else:
                members[key.data] = Member(mark, node)
        members = {**merged, **members}
        data = {name: member.node.data for name, member in members.items()}
        return Node(_mark(start), data, members, *_extent([member.node for member in members.values()]))

    def _merge(self, node: Node, mark: Mark, merged: dict[str, Member]) -> None:
        """Take over the keys of the mapping, or mappings, after `<<`; the first that has a key wins."""
        mappings = node.members if isinstance(node.members, Sequence) and node.members else [node]
        for mapping in mappings:
            if not isinstance(mapping.members, Mapping):
                reason = "`<<` takes over the keys of a mapping, or of a list of mappings"
                self._add(mark, reason, "name one, as in `<<: *name`")
                return
            self._merged += len(mapping.members)
            if self._merged > MAX_MERGED:
                reason = f"its merges take over more than {MAX_MERGED:,} keys"
                raise UnreadableError(Mistake(mark, reason, "write what differs only"))
            for name, member in mapping.members.items():
                merged.setdefault(name, member)


def _unreadable(event: yaml.Event, reason: str, mend: str) -> UnreadableError:
    return UnreadableError(Mistake(_mark(event), reason, mend))


def _mark(event: yaml.Event) -> Mark:
    assert event.start_mark is not None  # every event that is read from a text has one
    return event.start_mark.line + 1, event.start_mark.column + 1


def _extent(nodes: Sequence[Node]) -> tuple[int, int]:
    """Size and height of what holds these nodes."""
    return 1 + sum(node.size for node in nodes), 1 + max((node.height for node in nodes), default=0)

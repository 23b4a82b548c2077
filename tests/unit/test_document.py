"""YAML documents: text as it is written, with its places, and a quick refusal of what is too much."""

import tracemalloc

import pytest
import yaml

from worker.batch import document, findings, syntax
from worker.batch.document import MAX_BYTES, Document
from worker.batch.findings import subject
from worker.errors import UsageError


def parsed(text: str) -> Document:
    return document.parse(text, "job.yaml")


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parsed(text)
    return caught.value


@pytest.mark.parametrize("text", ["0123", "no", "1e3", "2026-01-01", "0x1F", "1_000", "on", ".5", "=", "Y", "+1"])
def test_a_scalar_stays_as_it_is_written(text: str) -> None:
    assert parsed(f"a: {text}\n").data == {"a": text}


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~", "", "{x: null}", "[~, ]"])
def test_a_plain_null_is_no_text(text: str) -> None:
    data = parsed(f"a: {text}\n").data
    assert data in ({"a": None}, {"a": {"x": None}}, {"a": [None]})


def test_a_quoted_null_is_a_text() -> None:
    assert parsed("a: 'null'\nb: \"~\"\nc: ''\nd: !!str null\ne: |\n  ~\n").data == {
        "a": "null",
        "b": "~",
        "c": "",
        "d": "null",
        "e": "~\n",
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parsed("'<<': {a: b}\n").data == {"<<": {"a": "b"}}


def test_an_empty_file_says_nothing() -> None:
    assert parsed("").data is None
    assert parsed("# only this\n").data is None
    assert parsed("---\n").data is None


def test_places_of_keys_and_values() -> None:
    found = parsed("é: x\nlist:\n  - {a: b}\n  - c\n")
    assert found.mark(("é",)) == (1, 4)
    assert found.mark(("é",), key=True) == (1, 1)
    assert found.mark(("list", 0, "a")) == (3, 9)
    assert found.mark(("list", 0, "a"), key=True) == (3, 6)
    assert found.mark(("list", 1)) == (4, 5)
    assert found.mark(("list", 1), key=True) == (4, 5)
    assert found.mark((), key=True) == (1, 1)


def test_the_place_of_what_is_not_there_is_what_holds_it() -> None:
    found = parsed("a:\n  - {b: c}\n")
    assert found.mark(("a", 0, "x")) == (2, 5)
    assert found.mark(("a", 0, "x"), key=True) == (2, 5)
    assert found.mark(("a", 7)) == (2, 3)
    assert found.mark(("a", "b")) == (2, 3)
    assert found.get(("a", 0, "x")) is None


def test_a_place_within_a_text() -> None:
    found = parsed("a: plain text\nb: 'quoted text'\nc: \"esc\\taped\"\nd: >\n  folded text\n")
    assert found.place(("a",), offset=6).column == 10
    assert found.place(("b",), offset=7).column == 12
    assert found.place(("c",), offset=4).column == 4  # not written as it is: where it begins
    assert found.place(("d",), offset=4).column == 4
    assert found.place((), offset=4).column == 1


def test_an_alias_is_where_its_value_stands() -> None:
    found = parsed("a: &x [b]\nc: *x\n")
    assert found.mark(("c", 0)) == (1, 8)
    assert found.data == {"a": ["b"], "c": ["b"]}


def test_the_end_of_a_text_without_a_line_break_is_in_its_last_line() -> None:
    problem = refusal("a: b\nc: {").problems[0]
    assert (problem.line, problem.column, problem.excerpt) == (2, 5, "c: {")
    assert problem.reason == "a value is missing, or cannot begin like this"
    place = parsed("---").place(())
    assert (place.line, place.column) == (1, 4)


def test_a_place_names_its_line() -> None:
    assert str(parsed("a: b\n").place(("a",))) == "job.yaml:1"
    assert str(document.Place("job.yaml")) == "job.yaml"


@pytest.mark.parametrize("line", ["token: abc", "x_secret : abc", "'access_key_id': abc", "url: https://u:p@host/"])
def test_a_line_with_a_secret_is_never_shown(line: str) -> None:
    assert parsed(line + "\n").place(()).excerpt == ""


def test_a_long_line_is_shown_only_as_far_as_it_helps() -> None:
    found = parsed("a: [" + "b, " * 100 + "c]\n")
    assert len(found.place(("a", 0)).excerpt) <= 160
    assert found.place(("a", 100)).excerpt == ""


def test_line_breaks_of_all_kinds_count() -> None:
    assert parsed("a: b\r\nc: d\re: f\u2028g: h\n").mark(("g",)) == (4, 4)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parsed("\ufeffa: b\n").mark(("a",), key=True) == (1, 1)


def test_bytes_that_are_no_utf8_are_refused_with_their_place() -> None:
    with pytest.raises(UsageError, match=r"job\.yaml:2:4: error: this is not UTF-8 text"):
        document.decode("a: é\nb: ".encode() + b"\xff\n", "job.yaml")
    assert document.decode("a: é".encode(), "job.yaml") == "a: é"


@pytest.mark.parametrize("text", ["a: \ud800\n", "a: \x00\n", "a: \x7f\n", "\ufeff\ufffe"])
def test_characters_that_are_no_text_are_refused(text: str) -> None:
    assert "a control character" in str(refusal(text))


def test_too_much_is_refused() -> None:
    assert "larger than 1,000,000 bytes" in str(refusal("a" * 100_000_000))
    with pytest.raises(UsageError, match="larger than 1,000,000 bytes"):
        document.decode(b"a" * 100_000_000, "job.yaml")
    assert len(parsed("a: " + "b" * (MAX_BYTES - 3)).get(("a",)) or "") == MAX_BYTES - 3


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    levels = ["a0: &a0 [" + "x," * 1000 + "]"]
    levels += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 6)]
    tracemalloc.start()
    try:
        assert "stand for more than 1,000,000 values" in str(refusal("\n".join(levels)))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # nobody has laid out what the aliases stand for
    finally:
        tracemalloc.stop()


def test_a_bomb_of_merges_is_refused_before_all_keys_are_taken_over() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(2_000))
    merges = "".join(f"b{number}:\n  <<: *a\n" for number in range(6))
    refused = str(refusal(f"a: &a {{{keys}}}\n{merges}"))
    assert "its merges take over more than 10,000 keys" in refused
    assert ":13:3:" in refused  # the sixth


def test_aliases_cannot_nest_deeper_than_collections() -> None:
    chain = ["a0: &a0 [[[[[[[[[[x]]]]]]]]]]"] + [f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 6)]
    assert "nested deeper than 40 levels" in str(refusal("\n".join(chain)))


def test_more_than_fifty_aliases_are_refused() -> None:
    assert parsed("a: &x 1\nb: [" + "*x, " * 50 + "]\n").data
    assert "more than 50 aliases" in str(refusal("a: &x 1\nb: [" + "*x, " * 51 + "]\n"))


def test_a_syntax_error_without_a_place_is_at_the_beginning() -> None:
    assert syntax.explain(yaml.MarkedYAMLError(), [""]) == (
        "not YAML: unreadable",
        "see https://yaml.org/spec/1.1/",
        1,
        1,
    )


def test_what_a_path_leads_to_in_words() -> None:
    assert subject(("sources", 0, "include", 1)) == "item 2 of 'include'"


def test_a_shape_that_is_not_foreseen_is_still_told() -> None:
    reason, _ = findings.explain({"type": "url_type", "loc": ("a",), "input": "x", "msg": "no"}, int)
    assert reason == "'a' is not accepted: no"

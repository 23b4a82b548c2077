"""The proof that no two tasks have one target: true wherever it is claimed, and claimed for what people write."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from worker.batch.collision import disjoint, fold, tells_apart
from worker.batch.document import Place
from worker.batch.pipeline import Pipeline
from worker.batch.selection import SourceObject
from worker.batch.template import BadValue, ProcessTemplate, Template

PLACE = Place("job.yaml", 1, 1)
JOB = "job"
NONE = frozenset[str]()
# Small and full of what templates are taken apart at, so that keys that collide are found where there are any.
SHORT_KEYS = ["".join(letters) for size in range(1, 5) for letters in product("a./_", repeat=size) if letters[0] != "/"]
TOKENS = ["{key}", "{name}", "{dir}", "{stem}", "{ext}", "{format}", "/", "_", ".", "a", "_a.", "/a"]
MORE_TOKENS = [*TOKENS, "{bucket}", "{hash}", "{pipeline}", "{row.x}", "{dir}/", ".{ext}", ".{format}", "-", "{key}"]
TEMPLATES = st.lists(st.sampled_from(MORE_TOKENS), min_size=1, max_size=7).map("".join)
SOURCES = st.tuples(
    st.sampled_from(["b1", "b1-a", "1"]),
    st.text(alphabet="a./_-1x", min_size=1, max_size=7).filter(lambda key: key[0] != "/"),
    st.text(alphabet="a/.1", max_size=3),
)
FORMATS = st.sampled_from([None, None, "webp", "a"])
# Most templates prove nothing, and are passed over.
MANY = examples(600)


def pipeline(key: str, name: str = "p", output_format: str | None = None) -> Pipeline:
    process = ProcessTemplate.literal("image/resize,w_1")
    return Pipeline(PLACE, name, process, "out", Template.parse(key), PLACE, PLACE, output_format)


def target(of: Pipeline, bucket: str, key: str, x: str = "") -> str | None:
    try:
        return of.render(JOB, SourceObject(bucket, key, row={"x": x}))[1].key
    except BadValue:
        return None


def is_proven(template: str, output_format: str | None = None) -> bool:
    return tells_apart(fold(pipeline(template, "p", output_format), JOB, "b1"), NONE, several_buckets=False)


def are_disjoint(template: str, other: str, output_format: str | None = None) -> bool:
    one, two = pipeline(template, "p", output_format), pipeline(other, "pa", output_format)
    return disjoint(fold(one, JOB, "b1"), fold(two, JOB, "b1"))


@pytest.mark.parametrize("first", TOKENS)
def test_no_claim_is_false_for_any_short_template_and_key(first: str) -> None:
    claims = 0
    for rest in product(["", *TOKENS], repeat=2):
        template = first + "".join(rest)
        for output_format in (None, "a"):
            if not is_proven(template, output_format):
                continue
            claims += 1
            found: dict[str, str] = {}
            for key in SHORT_KEYS:
                made = target(pipeline(template, "p", output_format), "b1", key)
                assert made is None or found.setdefault(made, key) == key, template
    assert claims or first in {"{name}", "{ext}", "{format}"}


@MANY
@given(TEMPLATES, FORMATS, st.booleans(), st.booleans(), st.data())
def test_no_claim_is_false_with_several_buckets_and_rows(
    template: str, output_format: str | None, several: bool, rows: bool, data: st.DataObject
) -> None:
    one = pipeline(template, "p", output_format)
    columns = frozenset({"x"}) if rows else NONE
    if not tells_apart(fold(one, JOB, None if several else "b1"), columns, several_buckets=several):
        return
    found: dict[str, object] = {}
    for bucket, key, x in data.draw(st.lists(SOURCES, min_size=2, max_size=8)):
        source = (bucket if several else "b1", key, x if rows else "")
        made = target(one, *source)
        assert made is None or found.setdefault(made, source) == source, template


@MANY
@given(TEMPLATES, TEMPLATES, FORMATS, FORMATS, st.lists(SOURCES, min_size=1, max_size=8))
def test_two_pipelines_that_are_claimed_disjoint_share_no_target(
    template: str, other: str, output_format: str | None, other_format: str | None, sources: list[tuple[str, str, str]]
) -> None:
    one, two = pipeline(template, "p", output_format), pipeline(other, "pa", other_format)
    if not disjoint(fold(one, JOB, None), fold(two, JOB, None)):
        return
    targets = {target(one, *source) for source in sources} - {None}
    assert not targets & {target(two, *source) for source in sources}


@MANY
@given(
    st.sampled_from(["{key}", "{dir}/{stem}", "{name}", "{stem}", "a/{stem}"]),
    st.text(alphabet="a._/", max_size=3),
    st.text(alphabet="a._/", max_size=3),
    st.sampled_from([".{ext}", ".{format}", "", "{ext}"]),
)
def test_two_pipelines_alike_but_for_a_literal_share_no_target(
    field: str, one: str, other: str, extension: str
) -> None:
    first, second = pipeline(field + one + extension, "p"), pipeline(field + other + extension, "pa")
    if disjoint(fold(first, JOB, "b1"), fold(second, JOB, "b1")):
        targets = {target(first, "b1", key) for key in SHORT_KEYS} - {None}
        assert not targets & {target(second, "b1", key) for key in SHORT_KEYS}


@pytest.mark.parametrize(
    "template",
    [
        "{key}",
        "thumbs/{key}",
        "hero/{key}.webp",
        "thumbs/{dir}/{stem}_100.{ext}",
        "{dir}/{stem}_100.{ext}",
        "{dir}/{stem}.thumb.{ext}",
        "{dir}/{name}",
        "{dir}/small/{name}",
        "{dir}/{stem}.{ext}",
        "{key}.{ext}",
        "{key}.{format}",
        "{key}_100",
        "{bucket}/{key}",
        "{pipeline}/{key}",
        "{hash}-{key}",
        "{dir}/{hash}_{name}",
        "{dir}/{name}/{hash}",
        "{stem}/{key}",
        "{name}/{dir}/x",
        "{dir}/x/{ext}.{stem}.{ext}",
    ],
)
def test_templates_that_people_write_are_proven(template: str) -> None:
    assert is_proven(template)


@pytest.mark.parametrize(
    ("template", "one", "other"),
    [
        ("{name}", "a/x.jpg", "b/x.jpg"),
        ("{dir}/{stem}", "x.jpg", "x.png"),
        ("{dir}/{stem}.{format}", "x.jpg", "x.jpeg"),
        ("{dir}_{name}", "a/b_c", "a_b/c"),
        ("{dir}/{stem}_{ext}", "a", "a."),
        ("{dir}/{ext}/{stem}", "d/a", "d/a."),
        ("{dir}{name}", "a/b", "ab"),
        ("x{dir}", "a/b", "a/c"),
        ("x", "a", "b"),
    ],
)
def test_templates_that_collide_are_not_proven(template: str, one: str, other: str) -> None:
    assert not is_proven(template)
    assert target(pipeline(template), "b1", one) == target(pipeline(template), "b1", other)


def test_a_format_that_the_recipe_sets_takes_the_extension_away() -> None:
    assert is_proven("{dir}/{stem}_100.{ext}")
    assert not is_proven("{dir}/{stem}_100.{ext}", "webp")
    assert is_proven("{key}.{ext}", "webp")


def test_a_hash_proves_nothing() -> None:
    assert not is_proven("{hash}")
    assert not is_proven("{hash}/{name}")


def test_several_buckets_need_the_bucket_in_the_key() -> None:
    def proven(template: str) -> bool:
        return tells_apart(fold(pipeline(template), JOB, None), NONE, several_buckets=True)

    assert proven("{bucket}/{key}")
    assert proven("{bucket}_{key}")
    assert proven("{key}_{bucket}")
    assert proven("{dir}/{name}/{bucket}")
    assert not proven("{bucket}-{key}")  # photos-a + b, photos + a-b
    assert not proven("{key}")


def test_rows_need_their_columns_in_the_key() -> None:
    def proven(template: str) -> bool:
        return tells_apart(fold(pipeline(template), JOB, "b1"), {"x"}, several_buckets=False)

    assert not proven("{key}")
    assert not proven("{key}/{row.x}")
    assert not proven("{row.x}/{key}")  # a + b/c, a/b + c
    assert not proven("{row.x}/{hash}")
    assert proven("{name}/{hash}{dir}") is False


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/{key}", "b/{key}", True),
        ("{key}.webp", "{key}.jpg", True),
        ("{pipeline}/{key}", "{pipeline}/{key}", True),
        ("x/{pipeline}/{name}", "x/{pipeline}/{name}", True),
        ("{dir}/{stem}_100.{ext}", "{dir}/{stem}_200.{ext}", True),
        ("{dir}/{stem}_{pipeline}.{ext}", "{dir}/{stem}_{pipeline}.{ext}", True),
        ("{key}_1.{ext}", "{dir}/{stem}_2.{ext}", True),
        ("{dir}/a/{name}", "{dir}/b/{name}", True),
        ("{name}/a/{key}", "{stem}/b/{key}", True),
        ("{key}", "thumbs/{key}", False),
        ("{dir}/{stem}_1.{ext}", "{key}", False),
        ("{dir}/{stem}.1.{ext}", "{dir}/{stem}.2.{ext}", False),
        ("{key}1", "{key}11", False),
        ("x", "x{key}", False),
        ("a{key}", "{key}", False),
        ("{dir}/a/b{name}", "{dir}/b{name}", False),
    ],
)
def test_two_pipelines_are_disjoint_where_a_literal_tells_them_apart(one: str, other: str, expected: bool) -> None:
    assert are_disjoint(one, other) == expected

"""Templates of target keys and processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batch.template import BadValue, Field, Fields, ProcessTemplate, Template, TemplateError, split_key

KEYS = st.text(alphabet="ab./_-Aj", min_size=1, max_size=8).filter(lambda key: key[0] != "/")


@pytest.mark.parametrize(
    ("template", "key", "expected"),
    [
        ("thumbs/{key}", "a/b.jpg", "thumbs/a/b.jpg"),
        ("{name}", "a/b.jpg", "b.jpg"),
        ("x/{name}", "a/", "x/"),
        ("t/{dir}/{name}", "a/b/c.jpg", "t/a/b/c.jpg"),
        ("t/{dir}/{name}", "c.jpg", "t/c.jpg"),
        ("t/{dir}/{name}", "a//c.jpg", "t/a//c.jpg"),
        ("t{dir}x", "c.jpg", "tx"),
        ("{stem}_100.{ext}", "a/b.tar.gz", "b.tar_100.gz"),
        ("{stem}_100.{ext}", "README", "README_100"),
        ("{stem}_100.{ext}", ".profile", ".profile_100"),
        ("{stem}_100.{ext}", "a.", "a_100."),
        ("{stem}.{ext}", "a..", "a.."),
        ("{stem}-{ext}", "a", "a-"),
        ("{ext}/{stem}", "b.JPEG", "JPEG/b"),
        ("{stem}.{format}", "b.JPEG", "b.jpg"),
        ("{stem}.{format}", "b.PNG", "b.png"),
        ("{stem}.{format}", "b", "b"),
        ("{ext}{stem}", "b", "b"),
        ("{key}{ext}", "x./", "x./"),
        ("{stem}{ext}", ".", "."),
        ("{bucket}/{pipeline}/{job}", "b", "photos/thumb/nightly"),
        ("{hash}", "a.jpg", "58d4d8dec171db3f"),
    ],
)
def test_a_template_renders_as_the_contract_says(template: str, key: str, expected: str) -> None:
    assert Template.parse(template).render(Fields("photos", key, "thumb", "nightly")) == expected


@pytest.mark.parametrize(
    ("template", "key", "row", "reason"),
    [
        ("{dir}//{name}", "c.jpg", {}, "cannot begin with '/'"),
        ("{row.x}", "c.jpg", {"x": ""}, "cannot be empty"),
        ("{row.x}", "c.jpg", {"x": "\\a"}, "cannot begin with"),
        ("{row.x}", "c.jpg", {"y": "a"}, "no value in the column 'x'"),
        ("t/{key}", "a{b.jpg", {}, "holds a brace"),
        ("t/{key}", "a}b.jpg", {}, "holds a brace"),
        ("t/{{{key}", "a.jpg", {}, "holds a brace"),
        ("t/{key}", "a" * 1023, {}, "at most 1023 bytes"),
    ],
)
def test_a_source_that_gives_no_target_key_is_refused(
    template: str, key: str, row: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        Template.parse(template).render(Fields("photos", key, row=row))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b.tar.gz", ("a", "b.tar", "gz")),
        ("b", ("", "b", None)),
        (".b", ("", ".b", None)),
        ("a.b/c", ("a.b", "c", None)),
        ("a/.b.c", ("a", ".b", "c")),
        ("a.", ("", "a", "")),
        ("a/", ("a", "", None)),
    ],
)
def test_a_key_is_split_at_the_last_dot_that_is_not_first(key: str, expected: tuple[str, str, str | None]) -> None:
    assert split_key(key) == expected


@given(KEYS)
def test_directory_stem_and_extension_give_the_key_again(key: str) -> None:
    fields = Fields("photos", key)
    assert Template.parse("{dir}/{stem}.{ext}").render(fields) == key
    assert Template.parse("{dir}/{name}").render(fields) == key


def test_the_format_of_the_recipe_is_the_extension() -> None:
    fields = Fields("photos", "a/b.JPEG", format="webp")
    assert Template.parse("{stem}.{ext}").render(fields) == "b.webp"
    assert Template.parse("{stem}.{format}").render(fields) == "b.webp"
    assert Template.parse("{stem}.{ext}").render(Fields("photos", "README", format="webp")) == "README.webp"


@pytest.mark.parametrize(
    ("template", "reason", "mend", "offset"),
    [
        ("a/{kee}", "unknown field {kee}", "did you mean {key}?", 2),
        (
            "{}",
            "unknown field {}",
            "fields: key, name, dir, stem, ext, format, bucket, pipeline, job, hash, row.COLUMN",
            0,
        ),
        ("{rov.x}", "unknown field {rov.x}", "did you mean {row.x}?", 0),
        ("ab}", "a single '}'", "a field is {name} in braces; a brace itself is written twice", 2),
        ("{key", "a single '{'", "a field is {name} in braces; a brace itself is written twice", 0),
        ("{row.x:b64}", "{row.x:b64}: base64 is for `process` only", "write {row.x}", 0),
    ],
)
def test_a_wrong_template_is_told_with_its_place_and_mend(template: str, reason: str, mend: str, offset: int) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(template)
    assert (caught.value.reason, caught.value.mend, caught.value.offset) == (reason, mend, offset)


def test_a_template_knows_its_fields_and_columns() -> None:
    template = Template.parse("{dir}/{row.sku}{{x}}{row.a:b}")
    assert template.names == {"dir"}
    assert template.columns == {"sku", "a:b"}
    assert template.parts[2:] == (Field("row.sku"), "{x}", Field("row.a:b"))


def test_a_process_takes_plain_values_and_base64() -> None:
    process = ProcessTemplate.parse("image/watermark,text_{row.title:b64}/resize,w_{row.w}/x_{stem}")
    assert process.columns == {"title", "w"}
    assert process.constant is None
    row = {"title": "春/季", "w": "100"}
    assert process.render(Fields("photos", "a/b.jpg", row=row)) == "image/watermark,text_5pilL-Wtow/resize,w_100/x_b"


@pytest.mark.parametrize("value", ["", "a/b", "a,b", "a|b", "a b", "é", "a" * 65, "a{b"])
def test_a_value_that_could_end_its_parameter_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="takes 1 to 64 of the characters"):
        ProcessTemplate.parse("image/resize,w_{row.w}").render(Fields("photos", "a", row={"w": value}))


@pytest.mark.parametrize(
    ("process", "reason"),
    [
        ("image/format,{ext}", "{ext} cannot stand in a process: it says what the process puts out"),
        ("image/format,{format}", "{format} cannot stand in a process: it says what the process puts out"),
        ("image/format,{row.:b64}", "unknown field {row.:b64}"),
        ("image/format,{row.}", "unknown field {row.}"),
    ],
)
def test_a_field_that_has_no_meaning_in_a_process_is_refused(process: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        ProcessTemplate.parse(process)
    assert caught.value.reason == reason


def test_a_process_without_fields_is_itself() -> None:
    assert ProcessTemplate.parse("image/info{{}}").constant == "image/info{}"
    assert ProcessTemplate.literal("image/{x}").constant == "image/{x}"

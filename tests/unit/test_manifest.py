"""Manifests: what right ones mean, and what each wrong one is answered with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.schemas import problems
from tests.unit.golden import Case, cases
from worker.batch.entry import Filters, ListSource, ObjectsSource, PrefixSource, TableSource
from worker.batch.manifest import Manifest
from worker.batch.proof import (
    apart,
    cname_problems,
    collision_free,
    own_targets,
    results_problems,
    site_problems,
)
from worker.batch.reader import parse_manifest, with_columns
from worker.batch.selection import NotSelected, SourceObject
from worker.batch.template import VALUES, BadValue
from worker.errors import Exit, UsageError
from worker.oss.encoding import to_base64
from worker.oss.endpoint import Site
from worker.oss.names import ObjectRef

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WHOLE = """\
version: 1
job: product-renditions
bucket: photos
sources:
  - prefix: products/2026/
    include: ["*.jpg", "*.png"]
    exclude: ["*/draft/*"]
    ignore_case: yes
    modified_after: 7d
    modified_before: 2026-11-22T08:00:00+08:00
    min_size: 1KB
    max_size: 1MiB
  - objects: [0123, dir/b.png]
    etag: ignore
  - list: keys.txt
    bucket: archive
    empty: ok
  - csv: /data/keys.csv
    columns: [key, title]
pipelines:
  - name: thumb
    process: image/resize,m_fill,w_100,h_100/quality,q_80
    target: {bucket: renditions, key: "thumbs/{dir}/{stem}_100.{ext}"}
  - name: branded
    style: watermark-v2
    format: jpg
    revision: 3
    target: {key: "branded/{key}"}
  - name: hero
    actions:
      - resize: {m: fill, w: 1200, h: 630}
      - watermark: {text: "春季 {{Sale}}", size: 40}
      - format: webp
    target: {bucket: renditions, key: "hero/{key}.webp"}
existing: skip
allow: [target-in-source]
"""


def manifest(text: str) -> Manifest:
    found = parse_manifest(text, "jobs/job.yaml", NOW)
    assert problems("manifest", text) == []  # what the worker takes, an editor does, too
    return found


def small(sources: str, target: str, more: str = "", process: str = "image/resize,w_1") -> Manifest:
    """A manifest with one pipeline; `target` is a flow mapping without its braces."""
    return manifest(
        f"version: 1\njob: nightly\nbucket: photos\nsources: [{sources}]\n"
        f"pipelines:\n  - {{name: thumb, process: '{process}', target: {{{target}}}}}\n{more}"
    )


def place_of(line: str) -> int:
    return WHOLE.splitlines().index(line) + 1


def test_the_header_of_a_manifest() -> None:
    found = manifest(WHOLE)
    assert (found.version, found.job, found.bucket, found.existing) == (1, "product-renditions", "photos", "skip")
    assert found.allow == {"target-in-source"}
    assert found.source_buckets == frozenset({"photos", "archive"})


def test_the_sources_of_a_manifest() -> None:
    prefix, objects, keys, table = manifest(WHOLE).sources
    assert isinstance(prefix, PrefixSource)
    assert (prefix.bucket, prefix.prefix, prefix.empty, prefix.etag_ignore) == ("photos", "products/2026/", "ok", False)
    assert prefix.filters == Filters(
        include=("*.jpg", "*.png"),
        exclude=("*/draft/*",),
        ignore_case=True,
        modified_after=NOW - timedelta(days=7),
        modified_before=NOW,
        min_size=1000,
        max_size=1_048_576,
    )
    assert isinstance(objects, ObjectsSource)
    assert (objects.keys, objects.empty, objects.etag_ignore) == (("0123", "dir/b.png"), "fail", True)
    line = place_of("  - objects: [0123, dir/b.png]")
    assert [(str(place), place.column) for place in objects.places] == [
        (f"jobs/job.yaml:{line}", 15),
        (f"jobs/job.yaml:{line}", 21),
    ]
    assert isinstance(keys, ListSource)
    assert (keys.bucket, keys.path, keys.empty) == ("archive", "jobs/keys.txt", "ok")
    assert isinstance(table, TableSource)
    assert (table.path, table.columns, table.header) == ("/data/keys.csv", ("key", "title"), False)


def test_the_pipelines_of_a_manifest() -> None:
    thumb, branded, hero = manifest(WHOLE).pipelines
    assert (thumb.process.constant, thumb.output_format, thumb.revision) == (
        "image/resize,m_fill,w_100,h_100/quality,q_80",
        None,
        "",
    )
    assert (thumb.name, thumb.target_bucket) == ("thumb", "renditions")
    assert (thumb.place.line, thumb.key_place.column, thumb.bucket_place.column) == (
        place_of("  - name: thumb"),
        39,
        22,
    )
    assert (branded.process.constant, branded.output_format, branded.revision) == ("style/watermark-v2", "jpg", "3")
    assert branded.target_bucket is None
    assert branded.bucket_place.line == place_of('    target: {key: "branded/{key}"}')
    assert hero.output_format == "webp"
    assert hero.process.constant == (
        "image/resize,m_fill,w_1200,h_630/watermark,text_5pil5a2jIHtTYWxlfQ,size_40/format,webp"
    )


def test_a_source_is_rendered_to_its_process_and_target() -> None:
    thumb, branded, _ = manifest(WHOLE).pipelines
    source = SourceObject("photos", "a/b.JPG")
    assert thumb.render("job", source) == (
        "image/resize,m_fill,w_100,h_100/quality,q_80",
        ObjectRef("renditions", "thumbs/a/b_100.JPG"),
    )
    assert branded.render("job", source)[1] == ObjectRef("photos", "branded/a/b.JPG")


def test_a_row_fills_the_process_and_is_judged_again() -> None:
    table = "{csv: a.csv, columns: [key, w]}"
    (pipeline,) = small(table, 'bucket: out, key: "{row.w}/{key}"', process="image/resize,w_{row.w}").pipelines
    assert pipeline.columns == {"w"}
    source = SourceObject("photos", "a.jpg", row={"w": "120"})
    assert pipeline.render("job", source) == ("image/resize,w_120", ObjectRef("out", "120/a.jpg"))
    with pytest.raises(BadValue, match="The value: wide of parameter: w is invalid"):
        pipeline.render("job", SourceObject("photos", "a.jpg", row={"w": "wide"}))
    with pytest.raises(BadValue, match="takes 1 to 64 of the characters"):
        pipeline.render("job", SourceObject("photos", "a.jpg", row={"w": "1/crop"}))


def test_a_row_that_asks_for_too_many_pixels_is_bad() -> None:
    table = "{csv: a.csv, columns: [key, w]}"
    process = "image/rotate,0/resize,m_fill,h_5000,w_{row.w}"
    (pipeline,) = small(table, 'bucket: out, key: "{row.w}/{key}"', process=process).pipelines
    assert pipeline.render("job", SourceObject("photos", "a.jpg", row={"w": "3000"}))
    with pytest.raises(BadValue, match="a result has at most"):
        pipeline.render("job", SourceObject("photos", "a.jpg", row={"w": "6000"}))


@pytest.mark.parametrize(
    "process",
    [
        "image/watermark,text_{row.t:b64}",
        "image/watermark,text_{row.t:b64},size_40|image/format,webp",
        "style/a.b-c_d",
        "image/resize,w_1,/quality,q_9",
        "image/auto-orient,1/interlace,1",
    ],
)
def test_processes_as_people_write_them_are_accepted(process: str) -> None:
    table = "{csv: a.csv, columns: [key, t]}"
    (pipeline,) = small(table, 'bucket: out, key: "x/{key}"', process=process).pipelines
    assert pipeline.process.with_fields_as("{row.t:b64}") == process


BANNER = """\
version: 1
job: banners
bucket: photos
sources: [{csv: a.csv, columns: [key, title, width, logo]}]
pipelines:
  - name: banner
    actions:
      - resize: {w: "{row.width}", limit: 0}
      - watermark: {text: "{{{row.title}}} für {stem}", size: 40, color: "{row.color}"}
      - watermark: {image: "logos/{row.logo}.png"}
      - blur: {r: "3", s: "2"}
      - format: webp
    target: {bucket: out, key: "{key}-{row.title}"}
"""


def banner(**row: str) -> tuple[str, ObjectRef]:
    (pipeline,) = manifest(BANNER.replace("logo]", "logo, color]")).pipelines
    assert pipeline.columns == {"title", "width", "logo", "color"}
    assert pipeline.output_format == "webp"
    usual = {"title": "Frühling", "width": "640", "logo": "a b", "color": "FFAA00"}
    return pipeline.render("banners", SourceObject("photos", "d/x.jpg", row={**usual, **row}))


@pytest.mark.parametrize("title", ["Frühling", "a,b/c|d_e", "春季", "'\"\\", " "])
def test_rows_fill_actions_in_the_clear_and_the_whole_text_is_encoded(title: str) -> None:
    text, logo = to_base64(f"{{{title}}} für x"), to_base64("logos/a b.png")
    assert banner(title=title)[0] == (
        f"image/resize,w_640,limit_0/watermark,text_{text},size_40,color_FFAA00/watermark,image_{logo}"
        "/blur,r_3,s_2/format,webp"
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"width": "0"}, "The value: 0 of parameter: w is invalid. .*: w takes a whole number from 1 to 16384"),
        ({"width": "wide"}, "w takes a whole number"),
        ({"width": ""}, "takes 1 to 64 of the characters"),
        ({"width": "1,h_1"}, "takes 1 to 64 of the characters"),
        ({"color": "red"}, "color takes a colour as RRGGBB"),
        ({"title": "x" * 58}, "text takes a text of 1 to 64 characters"),
        ({"logo": "a?x-oss-process=image/info"}, "The action: info"),
    ],
)
def test_a_row_that_an_action_cannot_take_is_bad_and_says_what_it_takes(row: dict[str, str], reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        banner(**row)


def test_the_longest_text_of_a_row_is_taken() -> None:
    assert to_base64("{" + "x" * 55 + "} für x") in banner(title="x" * 55)[0]


def test_actions_that_rows_cannot_fill_are_written_out() -> None:
    (pipeline,) = manifest(
        "version: 1\njob: j\nbucket: photos\nsources: [{objects: [a]}]\n"
        'pipelines: [{name: p, actions: [{rotate: 90}], target: {bucket: out, key: "{key}"}}]\n'
    ).pipelines
    assert pipeline.process.constant == "image/rotate,90"


def test_objects_that_are_not_selected_need_no_target() -> None:
    source = "{objects: [a.jpg, 'out/{b}.jpg']}"
    assert len(small(source, 'key: "out/{key}"', "allow: [target-in-source]\n").sources) == 1
    with pytest.raises(UsageError, match="cannot go through the pipeline 'thumb'"):
        small(source, 'key: "out/{key}"')


@pytest.mark.parametrize(
    "recipe",
    [f"process: 'image{'/rotate,90' * 900}'", f"actions: [{', '.join(['{rotate: 90}'] * 900)}]"],
    ids=["process", "actions"],
)
def test_a_recipe_that_would_take_long_to_judge_is_refused_unjudged(recipe: str) -> None:
    text = WHOLE.replace("style: watermark-v2\n    format: jpg", recipe)
    with pytest.raises(UsageError, match="a process of 9,005 characters: at most 8,192") as refused:
        manifest(text)
    assert len(refused.value.problems) == 1


def test_of_mistakes_without_end_the_first_are_told_and_all_are_counted() -> None:
    with pytest.raises(UsageError) as refused:
        small(f"{{objects: [{'/, ' * 5000}]}}", 'bucket: out, key: "{key}"')
    *told, last = refused.value.problems
    assert (len(told), last.reason) == (100, "and 4900 more problems")
    assert told[-1].column - told[0].column == 99 * len("/, ")


def test_the_digest_is_that_of_the_content() -> None:
    digest = manifest(WHOLE).digest
    assert len(digest) == 64
    assert (
        manifest(
            WHOLE.replace("version: 1\njob: product-renditions\n", "job: 'product-renditions' # x\nversion: 1\n")
        ).digest
        == digest
    )
    assert manifest(WHOLE.replace("w_100", "w_101")).digest != digest


def test_aliases_and_merges_are_followed() -> None:
    found = manifest(
        "version: 1\njob: j\nbucket: photos\n"
        "sources:\n  - &base {prefix: a/, etag: ignore, include: &jpg ['*.jpg']}\n"
        "  - <<: *base\n    prefix: b/\n  - {<<: [{prefix: c/}, *base], exclude: *jpg}\n"
        'pipelines: [{name: p, style: s, target: {bucket: out, key: "{key}"}}]\n'
    )
    entries = [entry for entry in found.sources if isinstance(entry, PrefixSource)]
    assert [(entry.prefix, entry.etag_ignore, entry.filters.include) for entry in entries] == [
        ("a/", True, ("*.jpg",)),
        ("b/", True, ("*.jpg",)),
        ("c/", True, ("*.jpg",)),
    ]
    assert entries[2].filters.exclude == ("*.jpg",)


@pytest.mark.parametrize("text", ["2h", "30m", "45s", "1w", "2026-11-01T00:00:00Z", "2026-11-01T00:00:00.5+08:00"])
def test_moments_have_a_zone(text: str) -> None:
    (entry,) = small(f"{{prefix: '', modified_after: {text}}}", 'bucket: out, key: "{key}"').sources
    assert isinstance(entry, PrefixSource)
    assert entry.filters.modified_after is not None
    assert entry.filters.modified_after.tzinfo is not None
    assert entry.empty == "ok"


def test_empty_is_said_by_the_entry_before_its_time_filter() -> None:
    (entry,) = small("{prefix: a, modified_after: 1d, empty: fail}", 'bucket: out, key: "{key}"').sources
    assert entry.empty == "fail"


def test_standard_input_is_no_path() -> None:
    (entry,) = small("{list: '-'}", 'bucket: out, key: "{key}"').sources
    assert isinstance(entry, ListSource)
    assert entry.path == "-"


# ------------------------------------------------------------------------------------------------------------- columns


def test_the_header_of_a_table_completes_the_manifest() -> None:
    found = small("{prefix: a/}, {csv: a.csv}", 'bucket: out, key: "x/{key}"')
    assert found.source_buckets is None
    assert not collision_free(found)
    complete = with_columns(found, 1, ["key", "title"])
    assert complete.source_buckets == frozenset({"photos"})
    assert collision_free(complete)
    table = complete.sources[1]
    assert isinstance(table, TableSource)
    assert (table.columns, table.header) == (("key", "title"), True)


def test_the_columns_of_a_table_are_not_known_before_its_header_was_read() -> None:
    (table,) = small("{csv: a.csv}", 'bucket: out, key: "x/{key}"').sources
    assert isinstance(table, TableSource)
    assert table.columns is None


def test_a_header_that_lacks_a_column_is_told_in_the_manifest() -> None:
    found = small("{csv: a.csv}", 'bucket: out, key: "{row.title}/{key}"')
    with pytest.raises(UsageError) as caught:
        with_columns(found, 0, ["id", "titel"])
    assert [(problem.reason, problem.mend) for problem in caught.value.problems] == [
        ("jobs/a.csv: no column is named 'key', the first are 'id', 'titel'", "name the column of the keys 'key'"),
        ("pipeline 'thumb' uses {row.title}: jobs/a.csv has no column 'title'", "did you mean 'titel'?"),
    ]


def test_a_table_without_a_bucket_needs_a_column_for_it() -> None:
    found = manifest(
        "version: 1\njob: j\nsources: [{csv: a.csv}]\n"
        'pipelines: [{name: p, style: s, target: {bucket: out, key: "{key}"}}]\n'
    )
    with pytest.raises(UsageError, match=r"jobs/a\.csv has no column 'bucket', and the manifest no bucket for it"):
        with_columns(found, 0, ["key"])
    assert with_columns(found, 0, ["key", "bucket"]).source_buckets is None


# ------------------------------------------------------------------------------------------------------------- proofs

PREFIX, OTHER, LIST = "{prefix: in/}", "{prefix: in/, bucket: other}", "{list: a.txt}"
TABLE, WIDE = "{csv: a.csv, columns: [key, t]}", "{csv: a.csv, columns: [key, bucket]}"


@pytest.mark.parametrize(
    ("sources", "target", "expected"),
    [
        (PREFIX, 'bucket: out, key: "thumbs/{key}"', True),
        (PREFIX, 'bucket: out, key: "{name}"', False),
        (f"{PREFIX}, {OTHER}", 'bucket: out, key: "{key}"', False),
        (f"{PREFIX}, {OTHER}", 'bucket: out, key: "{bucket}/{key}"', True),
        (f"{PREFIX}, {OTHER}", 'key: "out/{key}"', True),
        (WIDE, 'bucket: out, key: "{key}"', False),
        (WIDE, 'key: "out/{key}"', True),
        (TABLE, 'bucket: out, key: "{key}"', True),
        (TABLE, 'bucket: out, key: "{key}/{row.t}"', False),
    ],
)
def test_collisions_are_excluded_for_the_whole_manifest(sources: str, target: str, expected: bool) -> None:
    assert collision_free(small(sources, target)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ('bucket: out, key: "{key}"', 'bucket: out, key: "{key}.webp"', False),
        ('bucket: out, key: "{key}"', 'bucket: out2, key: "{key}"', True),
        ('bucket: out, key: "a/{key}"', 'bucket: out, key: "b/{key}"', True),
        ('key: "out/{key}"', 'bucket: out, key: "{key}"', True),
        ('key: "out/{key}"', 'bucket: photos, key: "{key}.webp"', False),
        ('key: "out/{key}"', 'key: "{key}.webp"', False),
    ],
)
def test_collisions_of_pipelines_are_excluded_where_they_can_meet(one: str, other: str, expected: bool) -> None:
    more = f"  - {{name: other, style: s, target: {{{other}}}}}\n"
    assert collision_free(small("{objects: [a.jpg]}", one, more)) == expected


def test_collisions_of_pipelines_are_not_excluded_where_tables_name_buckets() -> None:
    more = '  - {name: other, style: s, target: {bucket: out, key: "{key}"}}\n'
    assert not collision_free(small(WIDE, 'key: "x/{key}"', more))


@pytest.mark.parametrize(
    ("sources", "target", "more", "expected"),
    [
        (PREFIX, 'bucket: out, key: "{key}"', "", True),
        (PREFIX, 'key: "out/{key}"', "", True),
        (PREFIX, 'key: "i{key}"', "", False),
        (PREFIX, 'key: "{row.t}/{key}"'.replace("{row.t}", "{hash}"), "", False),
        ("{objects: [a.jpg, b/c.jpg]}", 'key: "out/{key}"', "", True),
        ("{objects: [a.jpg, out/c.jpg]}", 'key: "out/{key}"', "", False),
        (LIST, 'key: "out/{key}"', "", False),
        (LIST, 'bucket: out, key: "{key}"', "", True),
        (LIST, 'key: "out/{key}"', "allow: [target-in-source]\n", True),
        (TABLE, 'bucket: out, key: "{key}"', "", True),
        (WIDE, 'bucket: out, key: "{key}"', "", False),
        ("{objects: [a.jpg], bucket: other}", 'bucket: photos, key: "{key}"', "", True),
    ],
)
def test_targets_are_proven_not_to_be_sources(sources: str, target: str, more: str, expected: bool) -> None:
    assert apart(small(sources, target, more)) == expected


def test_a_directory_need_not_lie_below_a_prefix_without_a_slash() -> None:
    found = small("{prefix: in}", 'key: "{dir}/thumbs/{name}"')  # in.jpg goes to thumbs/in.jpg
    assert not apart(found)


def test_the_jobs_own_targets_are_not_its_sources_where_that_is_allowed() -> None:
    more = '  - {name: other, style: s, target: {bucket: out, key: "b/{key}"}}\nallow: [target-in-source]\n'
    assert own_targets(small(PREFIX, 'key: "in/a/{key}"', more)) == (ObjectRef("", "in/a/"), ObjectRef("out", "b/"))
    assert own_targets(small(LIST, 'key: "{hash}/{key}"', "allow: [target-in-source]\n")) == ()
    assert own_targets(small(PREFIX, 'key: "out/{key}"')) == ()


@pytest.mark.parametrize(
    ("results", "prefix", "lines"),
    [
        ("oss://photos/in/log", "in/", [5]),
        ("oss://photos/in/log/", "in/", [5]),
        ("oss://photos", "", [5]),
        ("oss://photos", "j", [5]),  # the job's own folder
        ("oss://photos/log", "in/", []),
        ("oss://photos/in", "in/new/", []),
        ("oss://photos/inner", "in/", []),
        ("oss://other/in/log", "in/", []),
        ("./in/log", "in/", []),
    ],
)
def test_the_results_place_is_never_among_the_sources(results: str, prefix: str, lines: list[int]) -> None:
    found = manifest(
        f"version: 1\njob: j\nbucket: photos\nsources:\n  - {{prefix: '{prefix}'}}\n  - {{list: a.txt}}\n"
        'pipelines: [{name: p, style: s, target: {bucket: out, key: "{key}"}}]\n'
    )
    assert [problem.line for problem in results_problems(found, results)] == lines


def test_the_results_place_is_at_the_endpoint_of_the_settings() -> None:
    found = manifest(
        "version: 1\njob: j\nbucket: photos\nsources: [{prefix: in/}]\npipelines:\n"
        "  - {name: near, style: s, target: {bucket: near, key: 'n/{key}'}}\n"
        "  - {name: far, save: relay, style: s, target: {bucket: far, key: 'f/{key}',\n"
        "     endpoint: 'https://oss-eu-central-1.aliyuncs.com', region: eu-central-1}}\n"
    )
    (problem,) = results_problems(found, "oss://far/logs")
    assert (problem.line, problem.reason) == (
        7,
        "the results place oss://far/logs is in a bucket with an endpoint of its own",
    )
    assert not results_problems(found, "oss://near/logs")


# ----------------------------------------------------------------------------------------------------- wrong manifests


def test_there_are_enough_wrong_manifests() -> None:
    assert len(cases("manifests.txt")) >= 140


@pytest.mark.parametrize("case", cases("manifests.txt"), ids=lambda case: case.title)
def test_a_wrong_manifest_is_answered_with_place_reason_and_mend(case: Case) -> None:
    with pytest.raises(UsageError) as caught:
        parse_manifest(case.text, "job.yaml", NOW)
    assert str(caught.value) == case.answer
    assert caught.value.exit_code is Exit.USAGE
    assert all(problem.line and problem.column and problem.file == "job.yaml" for problem in caught.value.problems)


def test_more_mistakes_than_anybody_reads_are_counted() -> None:
    keys = ", ".join(f"/{number}" for number in range(150))
    with pytest.raises(UsageError) as caught:
        small(f"{{objects: [{keys}]}}", 'bucket: out, key: "{key}"')
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].reason == "and 50 more problems"


def test_the_manifest_of_the_documentation_is_right() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text("utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert [pipeline.name for pipeline in manifest(example).pipelines] == ["thumb", "branded", "hero"]
    looked_into = with_columns(with_columns(manifest(example), 3, ["key"]), 5, ["key"])
    assert collision_free(looked_into)
    assert apart(looked_into)
    assert looked_into.advice == ()
    answer = text.split("```text\n")[1].split("```")[0].rstrip("\n")
    assert answer in {case.answer for case in cases("manifests.txt")}


def test_the_documentation_names_every_field_and_reason() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text("utf-8")
    assert all(f"`{{{name}}}`" in text for name in VALUES)
    assert all(f"`{reason}`" in text for reason in NotSelected)


def test_a_custom_domain_serves_one_source_bucket_and_shows_no_targets() -> None:
    assert not cname_problems(small("{prefix: a/}", 'bucket: out, key: "{key}"'))
    several = cname_problems(manifest(WHOLE))
    assert [problem.file for problem in several] == ["jobs/job.yaml"] * 2
    assert "one bucket" in several[0].reason
    assert not cname_problems(small("{list: 'oss://photos/keys.txt'}", 'bucket: out, key: "{key}"'))
    (elsewhere,) = cname_problems(small("{list: 'oss://logs/keys.txt'}", 'bucket: out, key: "{key}"'))
    assert "nothing is read from another bucket, as oss://logs/keys.txt would be" in elsewhere.reason
    assert "existing: skip" in several[1].reason
    unknown = small("{csv: keys.csv}", 'bucket: out, key: "{key}"')
    assert [problem.reason for problem in cname_problems(unknown)] == [several[0].reason]


FAR = "bucket: far, key: '{key}', endpoint: 'https://oss-eu-central-1.aliyuncs.com', region: eu-central-1"


def relayed(target: str) -> Manifest:
    return manifest(
        "version: 1\njob: far\nbucket: photos\nsources: [{prefix: a/}]\n"
        f"pipelines:\n  - {{name: thumb, save: relay, process: 'image/resize,w_1', target: {{{target}}}}}\n"
    )


def test_a_pipeline_may_be_relayed_to_another_endpoint() -> None:
    found = relayed(FAR)
    assert found.relayed == {"thumb"}
    assert found.sites == {"far": Site("https://oss-eu-central-1.aliyuncs.com", "eu-central-1")}
    assert relayed(FAR.replace(".com", ".com/")).sites == found.sites
    near = relayed("bucket: near, key: '{key}'")
    assert near.relayed == {"thumb"}
    assert not near.sites
    assert not manifest(WHOLE).relayed
    assert not manifest(WHOLE).sites


def test_a_relay_makes_the_same_tasks_as_saveas() -> None:
    source = SourceObject("photos", "a/b.jpg", "E1", 5)
    plain = small("{prefix: a/}", "bucket: far, key: '{key}'")
    assert relayed(FAR).pipelines[0].render("far", source) == plain.pipelines[0].render("far", source)


def test_at_a_custom_domain_a_relay_to_another_bucket_says_where_it_is() -> None:
    assert not cname_problems(relayed(FAR))
    assert not cname_problems(relayed("key: 'out/{key}'"))
    assert not cname_problems(relayed("bucket: photos, key: 'out/{key}'"))
    (problem,) = cname_problems(relayed("bucket: near, key: '{key}'"))
    assert "add `endpoint: ...` and `region: ...`" in problem.mend


def test_plain_http_to_another_machine_is_refused_unless_it_is_allowed() -> None:
    plain = relayed(FAR.replace("https:", "http:"))
    (problem,) = site_problems(plain, plain_http=False)
    assert (problem.line, "is plain http to another machine" in problem.reason) == (6, True)
    assert not site_problems(plain, plain_http=True)
    assert not site_problems(relayed(FAR), plain_http=False)
    assert not site_problems(
        relayed(FAR.replace("https://oss-eu-central-1.aliyuncs.com", "http://127.0.0.1:8080")), plain_http=False
    )
    assert not site_problems(relayed("bucket: near, key: '{key}'"), plain_http=False)

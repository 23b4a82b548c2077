"""Advice on manifests: each remark with its place and mend, and silence where there is nothing to remark."""

from datetime import UTC, datetime

import pytest

from tests.schemas import problems
from tests.unit.golden import Case, cases
from worker.batch.reader import parse_manifest
from worker.errors import Problem, UsageError

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def advice(process: str, key: str = "{key}", source: str = "prefix: in/") -> tuple[Problem, ...]:
    """Advice on a manifest of one pipeline."""
    text = (
        f"version: 1\njob: nightly\nbucket: photos\nsources:\n  - {{{source}}}\n"
        f"pipelines:\n  - name: thumb\n    {process}\n    target: {{bucket: out, key: '{key}'}}\n"
    )
    found = parse_manifest(text, "job.yaml", NOW).advice
    assert problems("manifest", text) == []
    return found


@pytest.mark.parametrize("case", cases("advice.txt"), ids=lambda case: case.title)
def test_what_is_hardly_meant_is_remarked_with_its_place_and_mend(case: Case) -> None:
    found = parse_manifest(case.text, "job.yaml", NOW).advice
    assert "\n".join(map(str, found)) == case.answer
    assert all(problem.severity == "warning" for problem in found)


@pytest.mark.parametrize(
    "process",
    [
        "process: image/resize,w_100",
        "process: image/auto-orient,1/resize,m_pad,w_100,h_100,color_F0F0F0/quality,q_80/interlace,1",
        "process: image/resize,l_100/rotate,90",
        "process: image/resize,s_100,m_lfit/crop,w_50,h_50,g_center,x_500",
        "process: image/resize,w_100/crop,w_50/resize,w_25",
        "process: image/resize,m_mfit,w_5000,h_300/crop,x_5001/rotate,90",
        "process: image/resize,m_fill,w_200,h_200/crop,x_199,y_199",
        "process: image/resize,m_fill,w_200,h_200/crop,x_300,g_center",
        "process: image/rotate,90/rotate,90/rotate,90",
        "process: image/watermark,text_aGk,g_west,voffset_10,x_3/watermark,image_bG9nby5wbmc,P_20,g_north,y_3",
        "process: image/watermark,image_bG9nbw,text_aGk,order_1,interval_3/watermark,text_aGk,fill_1,padx_3,pady_3",
        "process: style/a|image/quality,q_80/format,png/resize,w_10|style/b",
        "process: image/resize,m_fill,w_4096,h_2304/circle,r_100/format,png",
        "process: style/web|image/resize,w_100|style/b|style/c|style/d",
        "style: web",
    ],
)
def test_a_recipe_that_can_be_meant_is_not_remarked_on(process: str) -> None:
    assert advice(process, key="{key}.{ext}" if "png" in process and "style" not in process else "{key}") == ()


@pytest.mark.parametrize(
    ("process", "key", "source"),
    [
        ("process: image/resize,w_9", "{key}.jpg", "prefix: in/, include: ['*.jpg', '*.JPEG']"),
        ("process: image/resize,w_9", "{stem}_9.tiff", "objects: [a.tif]"),
        ("process: image/format,webp", "{key}", "prefix: in/, include: ['*.webp']"),
        ("process: image/format,webp", "{dir}/{stem}.{ext}", "prefix: in/"),
        ("process: image/format,webp", "{hash}", "prefix: in/"),
        ("process: image/format,webp", "{key}.{format}", "prefix: in/"),
        ("process: image/format,webp", "webp/{key}_v1.5", "prefix: in/, include: ['*.webp']"),
        ("process: image/format,jpg", "{key}.jpeg", "list: keys.txt"),
        ("style: web", "{key}.webp", "prefix: in/"),
        ("{style: web, format: webp, revision: 2}", "{key}.webp", "prefix: in/"),
    ],
)
def test_keys_that_name_the_format_they_hold_are_not_remarked_on(process: str, key: str, source: str) -> None:
    process = process.removeprefix("{").removesuffix("}").replace(", ", "\n    ")
    assert advice(process, key, source) == ()


@pytest.mark.parametrize(
    ("process", "key", "source"),
    [
        ("process: image/resize,w_9", "{key}.jpg", "prefix: in/, include: ['*.jpg', '*.png']"),
        ("process: image/resize,w_9", "{key}.jpg", "prefix: in/, include: ['*.jp*g']"),
        ("process: image/resize,w_9", "{key}.jpg", "inventory: manifest.json"),
        ("style: web\n    format: webp", "{key}", "objects: [a.jpg]"),
        ("process: image/format,webp", "{key}", "objects: [a.webp, b.jpg]"),
        ("process: image/format,webp", "{key}", "objects: [a.webp]}\n  - {prefix: in/"),
    ],
)
def test_keys_that_name_another_format_are_remarked_on(process: str, key: str, source: str) -> None:
    (found,) = advice(process, key, source)
    assert found.reason.startswith("targets ")


def test_a_wrong_manifest_is_answered_with_its_errors_alone() -> None:
    with pytest.raises(UsageError) as caught:
        advice("process: image/rotate,0/resize,m_fill,w_9000,h_9000")
    assert [problem.severity for problem in caught.value.problems] == ["error"]


def test_advice_in_brief_is_one_line() -> None:
    (found,) = advice("process: image/rotate,0")
    assert found.brief == "job.yaml:8:20: rotate,0 changes nothing: leave it out"
    assert Problem("no endpoint is set").brief == "no endpoint is set"

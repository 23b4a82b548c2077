"""`revision: auto`: the content of a style as part of task ids."""

import hashlib

import pytest

from tests.fakes import EPOCH, Service, answer, in_virtual_time, refused, script
from worker.batch.manifest import Manifest
from worker.batch.planner import PlannedTask, plan_source
from worker.batch.reader import parse_manifest
from worker.batch.revision import NamedStyle, check_followed, named_styles, style_revision, with_revisions
from worker.batch.selection import SourceObject
from worker.batch.task import Shard
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.styles import read_styles
from worker.errors import AccessError, StoppedError, UsageError
from worker.oss.answer import Answer
from worker.oss.verdict import Failure, failure

TEXT = """\
version: 1
job: styled
bucket: photos
sources:
  - objects: [a.jpg]
  - {prefix: in/, bucket: other}
pipelines:
  - {name: one, style: small, revision: auto, target: {bucket: out, key: "1/{bucket}/{key}"}}
  - {name: two, process: style/big, revision: auto, target: {bucket: out, key: "2/{bucket}/{key}"}}
  - {name: three, style: small, revision: 7, target: {bucket: out, key: "3/{bucket}/{key}"}}
  - {name: four, process: "image/resize,w_4|style/last", target: {bucket: out, key: "4/{bucket}/{key}"}}
"""
QUICK = RetryPolicy(max_attempts=2, base_delay_s=0.1, max_delay_s=1, task_deadline_s=10)


def manifest(text: str = TEXT) -> Manifest:
    return parse_manifest(text, "job.yaml", EPOCH)


def style(content: str) -> Answer:
    return answer(200, f"<Style><Name>s</Name><Content>{content}</Content></Style>")


def read(*answers: Answer | Failure) -> dict[tuple[str, str], str]:
    found = named_styles(manifest())[:2]
    return in_virtual_time(read_styles(Service(script(*answers)).sender(policy=QUICK), found))


def test_each_style_is_named_once_for_each_bucket_and_says_whether_ids_follow_it() -> None:
    named = {(found.bucket, found.name, found.follows, found.place.line) for found in named_styles(manifest())}
    expected = {("small", True, 8), ("big", True, 9), ("last", False, 11)}
    assert named == {(bucket, *rest) for bucket in ("other", "photos") for rest in expected}


def test_a_style_that_one_pipeline_of_several_follows_is_followed() -> None:
    swapped = TEXT.replace("style: small, revision: auto", "style: small").replace("revision: 7", "revision: auto")
    (found, *_) = [found for found in named_styles(manifest(swapped)) if found.name == "small"]
    assert (found.follows, found.place.line) == (True, 10)


def test_the_revision_is_sixteen_digits_of_the_contents_digest() -> None:
    assert style_revision("image/resize,w_1") == "style:" + hashlib.sha256(b"image/resize,w_1").hexdigest()[:16]


def test_the_same_style_of_two_buckets_gives_each_its_own_revision() -> None:
    contents = {(bucket, name): f"image/{bucket}/{name}" for bucket in ("photos", "other") for name in ("small", "big")}
    found = with_revisions(manifest(), contents)

    def revisions(bucket: str) -> list[str]:
        source = SourceObject(bucket, "a.jpg", "E1", 1)
        planned = list(plan_source(source, found.sources[0], found, Shard(0, 1)))
        return [item.task.revision for item in planned if isinstance(item, PlannedTask)]

    for bucket in ("photos", "other"):
        followed = [style_revision(f"image/{bucket}/{name}") for name in ("small", "big")]
        assert revisions(bucket) == [*followed, "7", ""]


def test_a_table_that_names_buckets_cannot_be_followed() -> None:
    table = TEXT.replace("objects: [a.jpg]", "{csv: a.csv, columns: [key, bucket]}")
    with pytest.raises(UsageError) as caught:
        check_followed(manifest(table))
    assert [problem.line for problem in caught.value.problems] == [8, 9]
    check_followed(manifest(table.replace("revision: auto", "revision: 1")))
    check_followed(manifest())


def test_contents_are_read_of_each_style() -> None:
    assert read(style("image/resize,w_1"), style("image/resize,w_2")) == {
        ("other", "small"): "image/resize,w_1",
        ("photos", "small"): "image/resize,w_2",
    }


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (refused(404, "NoSuchStyle"), "create it on that bucket"),
        (refused(403, "AccessDenied"), r"allow oss:GetStyle on acs:oss:\*:\*:other"),
        (answer(200, b"<html>"), "raise a revision by hand"),
    ],
)
def test_unreadable_styles_are_all_told_with_their_pipeline_and_mend(answered: Answer, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(answered)
    assert [problem.line for problem in caught.value.problems] == [8, 8]


def test_a_style_that_nobody_follows_is_mended_otherwise() -> None:
    followed, free = (NamedStyle("photos", "s", manifest().pipelines[0].place, follows) for follows in (True, False))
    for answered in (refused(403, "AccessDenied"), answer(200, b"<html>")):
        said = []
        for asked in (followed, free):
            with pytest.raises(UsageError) as caught:
                in_virtual_time(read_styles(Service(script(answered)).sender(policy=QUICK), [asked]))
            said.append(caught.value.problems[0].mend)
        assert ["by hand" in mend for mend in said] == [True, False]


def test_refused_credentials_and_silence_end_it() -> None:
    with pytest.raises(AccessError, match="InvalidAccessKeyId"):
        read(refused(403, "InvalidAccessKeyId"))
    with pytest.raises(StoppedError, match="nobody there"):
        read(failure("ConnectionFailed", "nobody there"))

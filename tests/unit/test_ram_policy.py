"""The least-privilege policy of a manifest."""

from typing import Any

import pytest

from tests.fakes import EPOCH
from worker.batch.ram_policy import ram_policy
from worker.batch.reader import parse_manifest
from worker.oss.encoding import to_base64

TARGET = 'target: {bucket: out, key: "small/{bucket}/{key}"}'
PLAIN = "process: image/resize,w_4"


def granted(
    sources: str, recipe: str = PLAIN, target: str = TARGET, more: str = "", **given: Any
) -> dict[str, list[str]]:
    """Resources by actions, without their common beginning."""
    text = (
        f"version: 1\njob: least\nbucket: photos\nsources:\n{sources}\n"
        f"pipelines:\n  - name: small\n    {recipe}\n    {target}\n{more}"
    )
    manifest = parse_manifest(text, "job.yaml", EPOCH)
    found = ram_policy(manifest, given.pop("buckets", {}), **{"results": "./results", "can_look": True, **given})
    assert found["Version"] == "1"
    statements = found["Statement"]
    assert isinstance(statements, list)
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return {
        " ".join(statement["Action"]): [resource.removeprefix("acs:oss:*:*:") for resource in statement["Resource"]]
        for statement in statements
    }


READ = "oss:GetObject oss:PostProcessTask"


def test_a_listing_needs_its_prefix_the_targets_theirs_and_nothing_else() -> None:
    assert granted("  - prefix: in/") == {
        READ: ["photos/in/*"],
        "oss:PutObject": ["out/small/photos/*"],
        "oss:ListObjects": ["photos"],
        "oss:GetBucketInfo": ["out", "photos"],
    }


@pytest.mark.parametrize(
    ("sources", "buckets", "expected"),
    [
        ("  - objects: [a.jpg, d/b.jpg]", {}, ["photos/a.jpg", "photos/d/b.jpg"]),
        (f"  - objects: [{', '.join(f'd/a{number}.jpg' for number in range(21))}]", {}, ["photos/d/a*"]),
        ("  - list: keys.txt", {}, ["photos/*"]),
        ("  - {csv: a.csv, columns: [key, bucket]}", {0: {"one", "two"}}, ["one/*", "two/*"]),
        ("  - prefix: in/\n  - prefix: in/new/\n  - objects: [in/a.jpg, b.jpg]", {}, ["photos/b.jpg", "photos/in/*"]),
        ('  - {prefix: "", bucket: other}\n  - objects: [a.jpg]', {}, ["other/*", "photos/a.jpg"]),
    ],
)
def test_sources_are_named_as_narrowly_as_the_manifest_tells(
    sources: str, buckets: dict[int, set[str]], expected: list[str]
) -> None:
    assert granted(sources, buckets=buckets)[READ] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("list: oss://lists/a/keys.txt", ["lists/a/keys.txt"]),
        ("inventory: oss://inv/photos/daily/2026-11-22T00-00Z/manifest.json", ["inv/photos/daily/*"]),
        ("inventory: oss://inv/daily/manifest.json", ["inv/*"]),
    ],
)
def test_files_in_a_bucket_may_be_read(source: str, expected: list[str]) -> None:
    assert granted(f"  - {source}")["oss:GetObject"] == expected


def test_what_is_not_listed_needs_no_listing() -> None:
    assert "oss:ListObjects" not in granted("  - objects: [a.jpg]")


def test_targets_in_the_bucket_of_their_source_are_in_each_of_them() -> None:
    found = granted("  - prefix: in/\n  - {objects: [a.jpg], bucket: other}", target='target: {key: "out/{key}"}')
    assert found["oss:PutObject"] == ["other/out/*", "photos/out/*"]
    assert found["oss:GetBucketInfo"] == ["other", "photos"]


@pytest.mark.parametrize("existing", ["skip", "fail"])
def test_targets_that_are_looked_up_may_be_read(existing: str) -> None:
    assert granted("  - prefix: in/", more=f"existing: {existing}\n")["oss:GetObject"] == ["out/small/photos/*"]


@pytest.mark.parametrize(
    ("key", "sources", "expected"),
    [
        ("logo.png", "  - prefix: in/", ["photos/logo.png"]),
        ("in/logo.png", "  - prefix: in/", None),
        ("logo.png?x-oss-process=image/resize,P_10", "  - prefix: in/", ["photos/logo.png"]),
    ],
)
def test_a_watermark_image_may_be_read(key: str, sources: str, expected: list[str] | None) -> None:
    found = granted(sources, f"process: image/watermark,image_{to_base64(key)}")
    assert found.get("oss:GetObject") == expected


def test_a_watermark_image_that_rows_name_may_be_any_object() -> None:
    recipe = "process: 'image/resize,w_4/watermark,image_{row.logo:b64}'"
    target = 'target: {bucket: out, key: "small/{key}/{row.logo}"}'
    found = granted("  - {csv: a.csv, columns: [key, bucket, logo]}", recipe, target, buckets={0: {"one"}})
    assert (found[READ], found.get("oss:GetObject")) == (["one/*"], None)
    narrow = granted("  - {csv: a.csv, columns: [key, logo]}\n", recipe, target)
    assert narrow[READ] == ["photos/*"]


def test_a_style_that_is_followed_may_be_read() -> None:
    assert "oss:GetStyle" not in granted("  - prefix: in/", "style: s")
    found = granted("  - prefix: in/\n  - {prefix: a/, bucket: other}", "style: s\n    revision: auto")
    assert found["oss:GetStyle"] == ["other", "photos"]


def test_a_custom_domain_is_asked_after_its_own_bucket_alone() -> None:
    assert granted("  - prefix: in/", can_look=False)["oss:GetBucketInfo"] == ["photos"]


@pytest.mark.parametrize(
    ("results", "below"),
    [("oss://logs/saveas", "logs/saveas/least/*"), ("oss://logs/", "logs/least/*"), ("oss://logs", "logs/least/*")],
)
def test_results_in_a_bucket_may_be_written_read_and_listed(results: str, below: str) -> None:
    found = granted("  - objects: [a.jpg]", results=results)
    assert found["oss:GetObject oss:PutObject"] == [below]
    assert found["oss:ListObjects"] == ["logs"]


def test_a_relay_reads_and_writes_and_needs_no_right_to_process() -> None:
    far = TARGET.replace("out,", "out, endpoint: https://oss-eu-central-1.aliyuncs.com, region: eu-central-1,")
    relayed = f"{PLAIN}\n    save: relay"
    expected = {
        "oss:GetObject": ["photos/in/*"],
        "oss:PutObject": ["out/small/photos/*"],
        "oss:ListObjects": ["photos"],
        "oss:GetBucketInfo": ["out", "photos"],
    }
    assert granted("  - prefix: in/", relayed, far) == expected
    # At a custom domain a bucket with an endpoint of its own can be asked after, no other.
    assert granted("  - prefix: in/", relayed, far, can_look=False) == expected
    assert granted("  - prefix: in/", relayed, can_look=False)["oss:GetBucketInfo"] == ["photos"]
    both = f"  - name: near\n    {PLAIN}\n    target: {{bucket: out, key: 'n/{{key}}'}}\n"
    assert READ in granted("  - prefix: in/", relayed, TARGET, both)

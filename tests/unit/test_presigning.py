"""The signed URL of a processed image: which one is meant, and what it may not be."""

import logging
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from worker.batch.manifest import Manifest
from worker.batch.reader import parse_manifest
from worker.errors import UsageError
from worker.presigning import Link, presigned_url
from worker.settings import Settings

NOW = datetime(2026, 11, 28, tzinfo=UTC)
KEYS = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
TOKEN = {"OSS_SESSION_TOKEN": "made-up/token"}
# No profile file of this machine may decide.
NOWHERE = {"HOME": "/nonexistent", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
SETTINGS = Settings(endpoint="https://oss-cn-hangzhou.aliyuncs.com")
CNAME = Settings(endpoint="https://pictures.example.com", addressing="cname")
ONE = "{name: small, process: 'image/resize,w_4', target: {bucket: out, key: '{key}'}}"
TEXT = "{name: named, process: 'image/resize,w_{stem}', target: {bucket: out, key: 'n/{key}'}}"
ROW = "{name: titled, process: 'image/watermark,text_{row.title:b64}', target: {bucket: out, key: 't/{key}'}}"
PREFIX, CSV = "{prefix: in/}", "{csv: keys.csv, columns: [key, title]}"


def manifest(*pipelines: str, sources: str = PREFIX, header: str = "bucket: photos") -> Manifest:
    text = f"version: 1\njob: small\n{header}\nsources: [{sources}]\npipelines: [{', '.join(pipelines)}]\n"
    return parse_manifest(text, "job.yaml", NOW)


async def url(
    job: Manifest,
    key: str = "in/a.jpg",
    pipeline: str | None = None,
    expires_s: float = 3600,
    settings: Settings = SETTINGS,
    environ: dict[str, str] = KEYS,
    log: list[str] | None = None,
) -> str:
    def tell(message: str, level: int = logging.INFO, **_: object) -> None:
        if log is not None and level >= logging.WARNING:
            log.append(message)

    return await presigned_url(job, settings, Link(key, pipeline, expires_s), NOWHERE | environ, tell)


async def test_a_url_names_host_key_process_and_how_long_it_is_good_for() -> None:
    found = urlsplit(await url(manifest(ONE), "in/照片 1.jpg"))
    query = {name: values[0] for name, values in parse_qs(found.query).items()}
    assert (found.scheme, found.netloc) == ("https", "photos.oss-cn-hangzhou.aliyuncs.com")
    assert found.path == "/in/%E7%85%A7%E7%89%87%201.jpg"
    assert (query["x-oss-process"], query["x-oss-expires"]) == ("image/resize,w_4", "3600")
    assert query["x-oss-credential"].startswith("made-up-id/")
    assert "made-up-secret" not in found.query


async def test_a_url_at_a_custom_domain_is_one_of_its_bucket() -> None:
    found = urlsplit(await url(manifest(ONE), settings=CNAME))
    assert (found.netloc, found.path) == ("pictures.example.com", "/in/a.jpg")


async def test_a_url_of_a_bucket_with_a_place_of_its_own_is_of_that_place() -> None:
    far = ONE.replace(
        "bucket: out,", "bucket: far, endpoint: 'https://oss-eu-central-1.aliyuncs.com/', region: eu-central-1,"
    )
    job = manifest(far.replace("name: small", "name: small, save: relay"))
    for settings in (SETTINGS, CNAME):
        found = urlsplit(await url(job, "oss://far/in/a.jpg", settings=settings))
        assert found.netloc == "far.oss-eu-central-1.aliyuncs.com"
        assert "%2Feu-central-1%2Foss%2F" in found.query


async def test_a_url_of_version_1_ends_at_a_moment() -> None:
    found = urlsplit(await url(manifest(ONE), settings=Settings(endpoint=SETTINGS.endpoint, signature="v1")))
    query = parse_qs(found.query)
    assert int(query["Expires"][0]) > NOW.timestamp()
    assert query["OSSAccessKeyId"] == ["made-up-id"]


async def test_a_temporary_key_is_told_to_end_the_url_as_well() -> None:
    log: list[str] = []
    found = await url(manifest(ONE), environ=KEYS | TOKEN, log=log)
    assert "x-oss-security-token=made-up%2Ftoken" in found
    (note,) = log
    assert "temporary credentials" in note
    assert "made-up" not in note


async def test_each_source_has_its_process_and_a_pipeline_can_be_chosen() -> None:
    job = manifest(ONE, TEXT)
    assert "w_120&" in await url(job, "in/120.jpg", "named")
    assert "w_4&" in await url(job, pipeline="small")


@pytest.mark.parametrize(
    ("bucket", "sources", "key", "host"),
    [
        ("bucket: photos", "{prefix: in/}, {prefix: b/, bucket: other}", "a.jpg", "photos"),
        ("existing: replace", "{prefix: b/, bucket: other}", "a.jpg", "other"),
        ("bucket: photos", PREFIX, "oss://other/a.jpg", "other"),
    ],
)
async def test_a_key_is_in_the_bucket_of_the_manifest_or_where_it_says(
    bucket: str, sources: str, key: str, host: str
) -> None:
    tokens = ONE.replace("'{key}'", "'{bucket}/{key}'")
    found = urlsplit(await url(manifest(tokens, sources=sources, header=bucket), key))
    assert (found.netloc, found.path) == (f"{host}.oss-cn-hangzhou.aliyuncs.com", "/a.jpg")


@pytest.mark.parametrize(
    ("given", "reason", "mend"),
    [
        ({"settings": Settings(endpoint="local")}, "ends with the command", "oss-saveas serve"),
        ({"expires_s": 0.0}, "--expires", "from 1s to 7d"),
        ({"expires_s": 604_801.0}, "--expires", "from 1s to 7d"),
        ({"expires_s": 1.5}, "--expires", "from 1s to 7d"),
        ({"pipeline": "big"}, "there is no pipeline 'big'", "known: small"),
        ({"job": manifest(ONE, TEXT)}, "several pipelines", "--pipeline small | named"),
        ({"key": ""}, "--key", "oss://BUCKET/KEY"),
        ({"key": "/a.jpg"}, "--key", "oss://BUCKET/KEY"),
        ({"key": "oss://No/a.jpg"}, "--key", "oss://BUCKET/KEY"),
        ({"key": "oss://photos"}, "--key", "oss://BUCKET/KEY"),
        ({"job": manifest(ROW, sources=CSV)}, "takes {row.title} from a table", "without row columns"),
        ({"job": manifest(TEXT), "key": "in/照片.jpg"}, "oss://photos/in/照片.jpg", "choose another object"),
        ({"environ": {}}, "credentials", ""),
        ({"settings": CNAME, "key": "oss://other/a.jpg"}, "the domain answers for one bucket", "own endpoint"),
    ],
)
async def test_what_cannot_be_a_url_is_told_with_its_mend(given: dict[str, object], reason: str, mend: str) -> None:
    with pytest.raises(UsageError) as caught:
        await url(**({"job": manifest(ONE)} | given))  # type: ignore[arg-type]  # one argument each
    assert reason in str(caught.value)
    assert mend in str(caught.value)


async def test_several_buckets_are_told_apart_by_their_names() -> None:
    tokens = ONE.replace("'{key}'", "'{bucket}/{key}'")
    several = manifest(
        tokens, sources="{prefix: a/, bucket: first}, {prefix: b/, bucket: second}", header="existing: replace"
    )
    with pytest.raises(UsageError, match="several buckets"):
        await url(several)

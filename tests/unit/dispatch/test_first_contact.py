"""What the service says of each bucket before anything is sent for a task."""

import pytest

from tests.fakes import Service, answer, in_virtual_time, refused, script
from worker.batch.document import Place
from worker.dispatch.first_contact import Expectation, first_contact
from worker.dispatch.policy import RetryPolicy
from worker.errors import AccessError, StoppedError, UsageError
from worker.oss.answer import Answer
from worker.oss.endpoint import Site
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure

BUCKETS = {"photos": Place("job.yaml", 5, 3, "  - prefix: in/"), "renditions": Place("job.yaml", 9, 5)}
QUICK = RetryPolicy(max_attempts=2, base_delay_s=0.1, max_delay_s=1, task_deadline_s=10)


def info(location: str, endpoint: str = "") -> Answer:
    return answer(
        200,
        f"<BucketInfo><Bucket><Name>photos</Name><Location>{location}</Location>"
        f"<ExtranetEndpoint>{endpoint}</ExtranetEndpoint></Bucket></BucketInfo>",
    )


HERE = info("oss-cn-hangzhou")
HOME = Site("http://127.0.0.1:9", "cn-hangzhou")
FAR = Site("https://oss-cn-beijing.aliyuncs.com", "cn-beijing")


def contact(service: Service, *, local: bool = False) -> list[str]:
    expected = Expectation(HOME, local)
    return in_virtual_time(first_contact(service.sender(policy=QUICK), BUCKETS, expected))


def test_each_bucket_is_asked_after_once() -> None:
    service = Service(script(HERE))
    assert contact(service) == []
    assert [(request.method, request.bucket, request.query) for _, request in service.sent] == [
        ("GET", "photos", (("bucketInfo", ""),)),
        ("GET", "renditions", (("bucketInfo", ""),)),
    ]


def test_missing_buckets_are_all_told_with_the_lines_that_name_them() -> None:
    with pytest.raises(UsageError) as caught:
        contact(Service(script(refused(404, "NoSuchBucket"))))
    assert [(problem.line, problem.file) for problem in caught.value.problems] == [(5, "job.yaml"), (9, "job.yaml")]
    assert "'photos' does not exist" in str(caught.value)
    with pytest.raises(UsageError, match="make a folder of that name"):
        contact(Service(script(refused(404, "NoSuchBucket"))), local=True)


def test_a_bucket_in_another_region_is_told_with_its_endpoint() -> None:
    with pytest.raises(UsageError) as caught:
        contact(Service(script(info("oss-cn-beijing", "oss-cn-beijing.aliyuncs.com"), HERE)))
    assert "`region: cn-beijing` and `endpoint: https://oss-cn-beijing.aliyuncs.com`" in str(caught.value)
    assert len(caught.value.problems) == 1


def elsewhere(expected: Expectation, *answers: Answer) -> str:
    with pytest.raises(UsageError) as caught:
        in_virtual_time(first_contact(Service(script(*answers)).sender(policy=QUICK), BUCKETS, expected))
    return str(caught.value)


@pytest.mark.parametrize("host", ["oss-cn-beijing.aliyuncs.com", "oss-cn-beijing-internal.aliyuncs.com"])
def test_targets_in_another_region_are_what_a_relay_is_for(host: str) -> None:
    written = Expectation(HOME, local=False, sources={"photos"}, targets={"renditions"})
    target = "`target: {bucket: renditions, endpoint: https://oss-cn-beijing.aliyuncs.com, region: cn-beijing, ...}`"
    told = elsewhere(written, HERE, info("oss-cn-beijing", "oss-cn-beijing.aliyuncs.com"))
    assert f"mend: use `save: relay` and {target}: saveas stays within the region of the source" in told
    message = "The bucket you are attempting to access must be addressed using the specified endpoint."
    refusal = answer(
        403,
        f"<Error><Code>AccessDenied</Code><Message>{message}</Message><Endpoint>{host}</Endpoint></Error>",
    )
    there = target.replace("oss-cn-beijing.aliyuncs.com", host)
    assert f"mend: use `save: relay` and {there}" in elsewhere(written, HERE, refusal)
    both = Expectation(HOME, local=False, sources={"photos", "renditions"}, targets={"renditions"})
    assert "set `region: cn-beijing`" in elsewhere(both, HERE, refusal)


def test_a_bucket_with_an_endpoint_of_its_own_is_expected_there() -> None:
    sites = Expectation(HOME, local=False, sites={"renditions": FAR}, targets={"renditions"})
    sender = Service(script(HERE, info("oss-cn-beijing"))).sender(policy=QUICK)
    assert in_virtual_time(first_contact(sender, BUCKETS, sites)) == []
    told = elsewhere(sites, HERE, info("oss-cn-shenzhen", "oss-cn-shenzhen.aliyuncs.com"))
    assert "is in cn-shenzhen, the manifest says cn-beijing" in told
    assert "write `target: {bucket: renditions, endpoint: https://oss-cn-shenzhen.aliyuncs.com, region: cn-she" in told


def test_a_bucket_at_another_endpoint_is_told_as_such() -> None:
    message = "The bucket you are attempting to access must be addressed using the specified endpoint."
    with pytest.raises(UsageError, match="not at this endpoint"):
        contact(Service(script(refused(403, "AccessDenied", message))))


def test_targets_that_keep_their_versions_are_noted() -> None:
    versioned = answer(200, b"<BucketInfo><Bucket><Versioning>Enabled</Versioning></Bucket></BucketInfo>")
    for written, count in ((("renditions",), 1), ((), 0)):
        sender = Service(script(versioned)).sender(policy=QUICK)
        expected = Expectation(HOME, local=False, targets=written)
        notes = in_virtual_time(first_contact(sender, BUCKETS, expected))
        assert [note.startswith("bucket renditions is versioned: every save adds a version") for note in notes] == [
            True
        ] * count


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidAccessKeyId", "SecurityTokenExpired"])
def test_refused_credentials_end_it_at_once(code: str) -> None:
    service = Service(script(refused(403, code)))
    with pytest.raises(AccessError, match=f"(?s){code}.*mend: "):
        contact(service)
    assert {request.bucket for _, request in service.sent} == {"photos"}


@pytest.mark.parametrize(
    "unclear", [refused(403, "AccessDenied"), answer(200, b"<html>"), refused(500, "InternalError")]
)
def test_anything_else_is_a_note(unclear: Answer) -> None:
    service = Service(lambda request: unclear if request.bucket == "photos" else HERE)
    (note,) = contact(service)
    assert note.startswith("bucket photos: ")
    assert ("allow oss:GetBucketInfo on acs:oss:*:*:photos" in note) == (unclear.status == 403)


@pytest.mark.parametrize("code", ["ConnectionFailed", "ConnectTimeout"])
def test_an_endpoint_where_nobody_answers_stops_the_run(code: str) -> None:
    def nobody(_: Request) -> Failure:
        return failure(code, "nobody there")

    with pytest.raises(StoppedError, match=r"127\.0\.0\.1:9"):
        contact(Service(nobody))

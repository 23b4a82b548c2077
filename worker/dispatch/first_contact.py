"""First contact: what the service says of each bucket before anything is sent for a task."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from worker.batch.document import Place
from worker.dispatch.sender import Sender
from worker.errors import AccessError, Problem, StoppedError, UsageError
from worker.oss.answer import Answer, BucketInfo, parse_bucket_info
from worker.oss.codes import CODES, CREDENTIAL_CODES, NO_KEY, Remedy
from worker.oss.request import bucket_info
from worker.oss.verdict import Failure, judge_reading

_OTHER_ENDPOINT = "must be addressed using the specified endpoint"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the settings say of where the buckets are. `region` is like `cn-hangzhou`; `local`: it is our local OSS."""

    endpoint: str
    region: str
    local: bool


async def first_contact(
    sender: Sender, buckets: Mapping[str, Place], expected: Expectation, written: Collection[str] = ()
) -> list[str]:
    """Ask after each bucket. `buckets` says where the manifest names it, `written` which of them hold targets.

    Returns notes: what stays unknown, and which targets keep their versions.

    Raises:
        UsageError: A bucket does not exist, or is elsewhere.
        AccessError: The credentials are refused.
        StoppedError: Nobody answers at the endpoint, or there is no key to ask with.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    for bucket, place in buckets.items():
        outcome = await sender.call(bucket_info(bucket), judge_bucket_info)
        verdict = outcome.verdict
        if isinstance(verdict, Failure):
            if verdict.code in CREDENTIAL_CODES:
                message = f"{verdict.code}: {verdict.message}\n    mend: {CODES[verdict.code].mend}"
                raise AccessError(message)
            if verdict.remedy is Remedy.WAIT and not verdict.http:
                what = "there are no credentials" if verdict.code == NO_KEY else f"cannot reach {expected.endpoint}"
                message = f"{what}: {verdict.message}\n    mend: {CODES[verdict.code].mend}"
                raise StoppedError(message)
            problem = _problem(bucket, place, verdict, expected)
            if problem is None:
                notes.append(_unknown(bucket, verdict))
            else:
                problems.append(problem)
        elif verdict.location not in ("", f"oss-{expected.region}"):
            problems.append(_elsewhere(bucket, place, verdict))
        elif bucket in written and verdict.versioning == "Enabled":
            notes.append(f"bucket {bucket} is versioned: every POST adds a version, and the old ones stay")
    if problems:
        raise UsageError(problems)
    return notes


def judge_bucket_info(answer: Answer) -> BucketInfo | Failure:
    """What an answer to GetBucketInfo says."""
    return judge_reading(answer, parse_bucket_info)


def _unknown(bucket: str, refusal: Failure) -> str:
    mend = f"; allow oss:GetBucketInfo on acs:oss:*:*:{bucket}" if refusal.code == "AccessDenied" else ""
    return f"bucket {bucket}: GetBucketInfo answered {refusal.code}; going on without knowing{mend}"


def _problem(bucket: str, place: Place, refusal: Failure, expected: Expectation) -> Problem | None:
    if refusal.code == "NoSuchBucket":
        mend = "make a folder of that name in the local OSS" if expected.local else "create it, or correct its name"
        return place.problem(f"the bucket {bucket!r} does not exist", mend)
    if refusal.code == "AccessDenied" and _OTHER_ENDPOINT in refusal.message:
        return place.problem(
            f"the bucket {bucket!r} is not at this endpoint: {refusal.message}", "correct `endpoint` and `region`"
        )
    return None


def _elsewhere(bucket: str, place: Place, info: BucketInfo) -> Problem:
    region = info.location.removeprefix("oss-")
    endpoint = f"https://{info.extranet_endpoint}" if info.extranet_endpoint else f"that of {region}"
    mend = f"set `region: {region}` and `endpoint: {endpoint}`"
    return place.problem(f"the bucket {bucket!r} is in {region}, the settings say otherwise", mend)

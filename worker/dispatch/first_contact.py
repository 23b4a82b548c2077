"""First contact: what the service says of each bucket before anything is sent for a task."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from worker.batch.document import Place
from worker.dispatch.sender import Sender
from worker.errors import AccessError, Problem, StoppedError, UsageError
from worker.oss.answer import Answer, BucketInfo, parse_bucket_info
from worker.oss.codes import CODES, CREDENTIAL_CODES, NO_KEY, Remedy
from worker.oss.endpoint import Site
from worker.oss.request import bucket_info
from worker.oss.verdict import Failure, judge_reading

_OTHER_ENDPOINT = "must be addressed using the specified endpoint"
# Source: OSS, "Regions and endpoints".
_HOST = re.compile(r"oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where the buckets are said to be: `usual`, unless they are in `sites`. `local`: it is our local OSS.

    `sources` and `targets` are those that the manifest names.
    """

    usual: Site
    local: bool
    sites: Mapping[str, Site] = field(default_factory=dict)
    sources: Collection[str] = ()
    targets: Collection[str] = ()

    def site_of(self, bucket: str) -> Site:
        """Where a bucket is said to be."""
        return self.sites.get(bucket, self.usual)

    def only_written(self, bucket: str) -> bool:
        """Whether a bucket holds targets and, as far as is known, no sources."""
        return bucket in self.targets and bucket not in self.sources


async def first_contact(sender: Sender, buckets: Mapping[str, Place], expected: Expectation) -> list[str]:
    """Ask after each bucket. `buckets` says where the manifest names it.

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
                what = (
                    "there are no credentials"
                    if verdict.code == NO_KEY
                    else f"cannot reach {expected.site_of(bucket).endpoint}"
                )
                message = f"{what}: {verdict.message}\n    mend: {CODES[verdict.code].mend}"
                raise StoppedError(message)
            problem = _problem(bucket, place, verdict, expected)
            if problem is None:
                notes.append(_unknown(bucket, verdict))
            else:
                problems.append(problem)
        elif verdict.location not in ("", f"oss-{expected.site_of(bucket).region}"):
            problems.append(_elsewhere(bucket, place, verdict, expected))
        elif bucket in expected.targets and verdict.versioning == "Enabled":
            notes.append(f"bucket {bucket} is versioned: every save adds a version, and the old ones stay")
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
        reason = f"the bucket {bucket!r} is not at this endpoint: {refusal.message}"
        host = refusal.endpoint or "..."
        match = _HOST.fullmatch(host)
        return place.problem(reason, _mend(bucket, f"https://{host}", match[1] if match else "...", expected))
    return None


def _elsewhere(bucket: str, place: Place, info: BucketInfo, expected: Expectation) -> Problem:
    region = info.location.removeprefix("oss-")
    endpoint = f"https://{info.extranet_endpoint}" if info.extranet_endpoint else f"that of {region}"
    said = "the manifest says" if bucket in expected.sites else "the settings say"
    reason = f"the bucket {bucket!r} is in {region}, {said} {expected.site_of(bucket).region}"
    return place.problem(reason, _mend(bucket, endpoint, region, expected))


def _mend(bucket: str, endpoint: str, region: str, expected: Expectation) -> str:
    """How to say where a bucket is. Where it holds targets only, saveas would not come to it, a relay does."""
    target = f"`target: {{bucket: {bucket}, endpoint: {endpoint}, region: {region}, ...}}`"
    if bucket in expected.sites:
        return f"write {target}"
    if expected.only_written(bucket):
        return f"use `save: relay` and {target}: saveas stays within the region of the source"
    return f"set `region: {region}` and `endpoint: {endpoint}`"

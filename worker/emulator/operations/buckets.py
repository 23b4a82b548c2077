"""Operations on buckets."""

from datetime import UTC, datetime

from worker.emulator import refusals
from worker.emulator.access.rights import OWNER_ID
from worker.emulator.call import Answer, Call, Service, blocking, xml_answer
from worker.emulator.documents import request_document
from worker.emulator.operations.arguments import integer
from worker.emulator.store import Bucket
from worker.emulator.xml import branch, document, leaf

OWNER = branch("Owner", leaf("ID", OWNER_ID), leaf("DisplayName", OWNER_ID))
_MAX_CONFIGURATION = 64 << 10


async def put_bucket(call: Call) -> Answer:
    """Make a bucket, in the region of the endpoint or of LocationConstraint; the owner may make it again.

    Storage class and ACL are taken and not kept.
    """
    name = call.request.bucket
    asked = _location(await call.read(_MAX_CONFIGURATION), call.service.regions)
    region = asked or call.identity.region or call.service.regions[0]
    # The region of the server is not kept with the bucket: a folder of buckets can be served as another one.
    await blocking(call.store.make_bucket, name, "" if region == call.service.regions[0] else region)
    if asked and call.service.region_of(await call.need_bucket(name)) != asked:
        raise refusals.bucket_already_exists(name)
    return Answer(headers=(("Location", f"/{name}"),))


def _location(body: bytes, regions: tuple[str, ...]) -> str:
    """The region that a CreateBucketConfiguration asks for; empty where it asks for none."""
    if not body.strip():
        return ""
    location = (request_document(body, "CreateBucketConfiguration").findtext("LocationConstraint") or "").strip()
    region = location.removeprefix("oss-")
    if region and region not in regions:
        raise refusals.invalid_location(location)
    return region


async def get_bucket_info(call: Call) -> Answer:
    """How a bucket is set up."""
    bucket = await call.need_bucket(call.request.bucket)
    info = branch(
        "Bucket",
        *_described(bucket, call.service),
        leaf("TransferAcceleration", "Disabled"),
        leaf("CrossRegionReplication", "Disabled"),
        leaf("DataRedundancyType", "LRS"),
        leaf("AccessMonitor", "Disabled"),
        leaf("ResourceGroupId", ""),
        leaf("Comment", ""),
        OWNER,
        branch("AccessControlList", leaf("Grant", "private")),
        branch("ServerSideEncryptionRule", leaf("SSEAlgorithm", "None")),
        branch("BucketPolicy", leaf("LogBucket", ""), leaf("LogPrefix", "")),
    )
    return xml_answer(document("BucketInfo", info))


async def list_buckets(call: Call) -> Answer:
    """The buckets by name, page by page. `max-keys` is 1 to 1000, 100 by default."""
    prefix, marker = call.query.get("prefix", ""), call.query.get("marker", "")
    limit = integer(call.query, "max-keys", low=1, high=1000, default=100)
    names = [bucket for bucket in await blocking(call.store.buckets) if bucket.name.startswith(prefix)]
    following = [bucket for bucket in names if bucket.name > marker]
    page = following[:limit]
    truncated = len(following) > limit
    return xml_answer(
        document(
            "ListAllMyBucketsResult",
            leaf("Prefix", prefix),
            leaf("Marker", marker),
            leaf("MaxKeys", str(limit)),
            leaf("IsTruncated", str(truncated).lower()),
            leaf("NextMarker", page[-1].name) if truncated else "",
            OWNER,
            branch("Buckets", *(branch("Bucket", *_described(bucket, call.service)) for bucket in page)),
        )
    )


def _described(bucket: Bucket, service: Service) -> list[str]:
    created = datetime.fromtimestamp(bucket.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    region = service.region_of(bucket)
    return [
        leaf("Name", bucket.name),
        leaf("CreationDate", created),
        leaf("Location", f"oss-{region}"),
        leaf("Region", region),
        leaf("ExtranetEndpoint", f"oss-{region}.aliyuncs.com"),
        leaf("IntranetEndpoint", f"oss-{region}-internal.aliyuncs.com"),
        leaf("StorageClass", "Standard"),
    ]

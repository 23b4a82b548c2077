"""Operations on buckets."""

from datetime import UTC, datetime

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, Service, blocking, xml_answer
from worker.emulator.operations.arguments import integer
from worker.emulator.store import Bucket
from worker.emulator.xml import branch, document, leaf
from worker.oss.names import bucket_problem

OWNER = branch("Owner", leaf("ID", "1000000000000000"), leaf("DisplayName", "1000000000000000"))
_MAX_CONFIGURATION = 64 << 10


async def put_bucket(call: Call) -> Answer:
    """Make a bucket; the owner may make it again. Storage class and ACL are taken and not kept."""
    name = call.request.bucket
    await call.read(_MAX_CONFIGURATION)
    if bucket_problem(name):
        raise refusals.invalid_bucket_name(name)
    await blocking(call.store.make_bucket, name)
    return Answer(headers=(("Location", f"/{name}"),))


async def get_bucket_info(call: Call) -> Answer:
    """How a bucket is set up."""
    bucket = await blocking(call.store.bucket, call.request.bucket)
    if bucket is None:
        raise refusals.no_such_bucket(call.request.bucket)
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
    return [
        leaf("Name", bucket.name),
        leaf("CreationDate", created),
        leaf("Location", service.location),
        leaf("Region", service.region),
        leaf("ExtranetEndpoint", f"{service.location}.aliyuncs.com"),
        leaf("IntranetEndpoint", f"{service.location}-internal.aliyuncs.com"),
        leaf("StorageClass", "Standard"),
    ]

"""Operations on buckets."""

from worker.emulator import refusals
from worker.emulator.access.rights import CHANGE_ACL, MAKE_BUCKET, OWNER_ID
from worker.emulator.call import Answer, Call, Service, blocking, xml_answer
from worker.emulator.documents import request_document
from worker.emulator.operations.arguments import integer
from worker.emulator.store import ACL, Bucket
from worker.emulator.xml import branch, document, leaf, time_leaf

OWNER = branch("Owner", leaf("ID", OWNER_ID), leaf("DisplayName", OWNER_ID))
_MAX_CONFIGURATION = 64 << 10
_ACL = "x-oss-acl"


async def put_bucket(call: Call) -> Answer:
    """Make a bucket, in the region of the endpoint or of LocationConstraint; the owner may make it again.

    Storage class and redundancy are taken and not kept.
    """
    name, acl = call.request.bucket, _acl(call)
    asked = _location(await call.read(_MAX_CONFIGURATION), call.service.regions)
    bucket = await _made(call, asked, acl)
    if asked and call.service.region_of(bucket) != asked:
        raise refusals.bucket_already_exists(name)
    if acl not in (None, bucket.acl):  # it was there already
        await _change_acl(call, bucket, acl)
    return Answer(headers=(("Location", f"/{name}"),))


async def put_bucket_acl(call: Call) -> Answer:
    """Say who may do what with a bucket; one that is not there is made (documented). Without the header, nothing."""
    acl = _acl(call)
    bucket = await blocking(call.store.bucket, call.request.bucket)
    if bucket is None:
        region = call.identity.region or call.service.regions[0]
        await blocking(call.identity.permit, MAKE_BUCKET, call.request.bucket, "", region)
        await _made(call, "", acl)
    elif acl is not None:
        await blocking(call.store.put_acl, bucket.name, acl)
    return Answer()


async def get_bucket_acl(call: Call) -> Answer:
    """Who may do what with a bucket."""
    return acl_answer((await call.need_bucket(call.request.bucket)).acl)


async def get_bucket_location(call: Call) -> Answer:
    """The region of a bucket."""
    bucket = await call.need_bucket(call.request.bucket)
    return xml_answer(document("LocationConstraint", f"oss-{call.service.region_of(bucket)}"))


async def delete_bucket(call: Call) -> Answer:
    """Remove a bucket that is empty."""
    bucket = await call.need_bucket(call.request.bucket)
    if not await blocking(call.store.delete_bucket, bucket.name):
        raise refusals.bucket_not_empty(bucket.name)
    return Answer(204)


def acl_answer(acl: ACL) -> Answer:
    """The answer that tells an ACL, of a bucket or of an object."""
    grant = branch("AccessControlList", leaf("Grant", acl))
    return xml_answer(document("AccessControlPolicy", OWNER, grant))


async def _made(call: Call, asked: str, acl: ACL | None) -> Bucket:
    name = call.request.bucket
    region = asked or call.identity.region or call.service.regions[0]
    # The region of the server is not kept with the bucket: a folder of buckets can be served as another one.
    kept = "" if region == call.service.regions[0] else region
    await blocking(call.store.make_bucket, name, kept, acl or ACL.PRIVATE)
    return await call.need_bucket(name)


async def _change_acl(call: Call, bucket: Bucket, acl: ACL) -> None:
    region = call.service.region_of(bucket)
    await blocking(call.identity.permit, CHANGE_ACL, bucket.name, "", region)
    await blocking(call.store.put_acl, bucket.name, acl)


def _acl(call: Call) -> ACL | None:
    """The ACL that a request asks for, None where it asks for none."""
    value = call.headers.get(_ACL, "")
    if not value:
        return None
    if value == ACL.DEFAULT or value not in tuple(ACL):
        raise refusals.invalid_argument(_ACL, value, "no such bucket access control exists")
    return ACL(value)


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
        branch("AccessControlList", leaf("Grant", bucket.acl)),
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
    region = service.region_of(bucket)
    return [
        leaf("Name", bucket.name),
        time_leaf("CreationDate", bucket.created),
        leaf("Location", f"oss-{region}"),
        leaf("Region", region),
        leaf("ExtranetEndpoint", f"oss-{region}.aliyuncs.com"),
        leaf("IntranetEndpoint", f"oss-{region}-internal.aliyuncs.com"),
        leaf("StorageClass", "Standard"),
    ]

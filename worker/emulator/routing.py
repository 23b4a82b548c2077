"""Which operation a request asks for, by its method, its level and its sub-resource."""

from worker.oss.request import Request

# Sub-resources name operations only where the service knows them; other parameters are ignored by it (recorded). All
# that the documentation and the SDKs have stand here, lest one of them be answered as if it were not there.
SERVICE = {
    "cloudboxes": "CloudBoxes",
    "dataPipeline": "DataPipeline",
    "publicAccessBlock": "PublicAccessBlock",
    "qosInfo": "UserQosInfo",
    "redundancyTransition": "UserDataRedundancyTransition",
    "regionList": "RegionList",
    "regions": "Regions",
    "resourcePool": "ResourcePool",
    "resourcePoolBuckets": "ResourcePoolBuckets",
    "resourcePoolInfo": "ResourcePoolInfo",
    "x-oss-write-get-object-response": "WriteGetObjectResponse",
}
BUCKET = {
    "accessPoint": "AccessPoint",
    "accessPointPolicy": "AccessPointPolicy",
    "accessmonitor": "BucketAccessMonitor",
    "acl": "BucketAcl",
    "asyncFetch": "AsyncFetchTask",
    "bucketArchiveDirectRead": "BucketArchiveDirectRead",
    "bucketInfo": "BucketInfo",
    "cname": "Cname",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "httpsConfig": "BucketHttpsConfig",
    "inventory": "BucketInventory",
    "lifecycle": "BucketLifecycle",
    "live": "LiveChannel",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metaQuery": "MetaQuery",
    "metadataConfiguration": "BucketMetadataConfiguration",
    "metadataInventoryTable": "BucketMetadataInventoryTableConfiguration",
    "metadataJournalTable": "BucketMetadataJournalTableConfiguration",
    "objectWorm": "BucketObjectWormConfiguration",
    "overwriteConfig": "BucketOverwriteConfig",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "qos": "BucketQos",
    "qosInfo": "BucketQosInfo",
    "qosRequester": "BucketQosRequester",
    "quota": "BucketStorageQuota",
    "redundancyTransition": "BucketDataRedundancyTransition",
    "referer": "BucketReferer",
    "replication": "BucketReplication",
    "replicationLocation": "BucketReplicationLocation",
    "replicationProgress": "BucketReplicationProgress",
    "requestPayment": "BucketRequestPayment",
    "requesterQosInfo": "BucketRequesterQosInfo",
    "resourceGroup": "BucketResourceGroup",
    "responseHeader": "BucketResponseHeader",
    "rtc": "BucketRtc",
    "stat": "BucketStat",
    "style": "Style",
    "tagging": "BucketTags",
    "transferAcceleration": "BucketTransferAcceleration",
    "userDefinedLogFieldsConfig": "UserDefinedLogFieldsConfig",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
    "worm": "BucketWorm",
    "wormExtend": "BucketWormExtend",
    "wormId": "BucketWormId",
}
OBJECT = {
    "acl": "ObjectAcl",
    "group": "ObjectGroup",
    "legalHold": "ObjectLegalHold",
    "link": "ObjectLink",
    "live": "LiveChannel",
    "objectInfo": "ObjectInfo",
    "retention": "ObjectRetention",
    "symlink": "Symlink",
    "tagging": "ObjectTagging",
    "vod": "VodPlaylist",
}
POST = {
    "x-oss-process": "ProcessObject",
    "x-oss-async-process": "AsyncProcessObject",
    "append": "AppendObject",
    "uploads": "InitiateMultipartUpload",
    "uploadId": "CompleteMultipartUpload",
    "restore": "RestoreObject",
    "cleanRestoredObject": "CleanRestoredObject",
    "seal": "SealAppendObject",
}
_SELECT = ("csv/", "json/")  # what is selected from; of pictures the process stands in the body
_VERBS = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post", "OPTIONS": "Options"}


def operation_of(request: Request) -> str:
    """The name of the operation as the documentation gives it, known to this server or not."""
    names = {name for name, _ in request.query}
    verb = _VERBS.get(request.method, request.method.title())
    if not request.bucket:
        return _service_operation(request, verb, names)
    if not request.key:
        return _bucket_operation(request, verb, names)
    operation = _object_operation(request, verb, names)
    return f"{operation} with versionId" if "versionId" in names else operation


def _service_operation(request: Request, verb: str, names: set[str]) -> str:
    for name, noun in SERVICE.items():
        if name in names:
            return verb + noun
    return "ListBuckets" if request.method == "GET" else f"{verb}Service"


def _bucket_operation(request: Request, verb: str, names: set[str]) -> str:
    if request.method == "GET" and "style" in names and "styleName" not in names:
        return "ListStyle"
    for name, noun in BUCKET.items():
        if name in names:
            return verb + noun
    if request.method == "POST":
        return "DeleteMultipleObjects" if "delete" in names else "PostObject"
    if request.method == "GET":
        if "versions" in names:
            return "ListObjectVersions"
        if "uploads" in names:
            return "ListMultipartUploads"
        return "ListObjectsV2" if dict(request.query).get("list-type") == "2" else "ListObjects"
    return f"{verb}Bucket"


def _object_operation(request: Request, verb: str, names: set[str]) -> str:
    for name, noun in OBJECT.items():
        if name in names:
            return verb + noun
    match request.method:
        case "POST" if dict(request.query).get("x-oss-process", "").startswith(_SELECT):
            return "SelectObject"
        case "POST":
            return next((operation for name, operation in POST.items() if name in names), "PostObject")
        case "PUT":
            copies = "x-oss-copy-source" in dict(request.headers)
            if names & {"partNumber", "uploadId"}:  # with one of them alone it is refused: a part is no object
                return "UploadPartCopy" if copies else "UploadPart"
            return "CopyObject" if copies else "PutObject"
        case "DELETE" if "uploadId" in names:
            return "AbortMultipartUpload"
        case "GET" if "uploadId" in names:
            return "ListParts"
        case "GET" | "HEAD" if "objectMeta" in names:
            return "GetObjectMeta"
        case _:
            return f"{verb}Object"

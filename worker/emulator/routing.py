"""Which operation a request asks for, by its method, its level and its sub-resource."""

from worker.oss.request import Request

# Sub-resources name operations only where the service knows them; other parameters are ignored by it (recorded).
_BUCKET = {
    "acl": "BucketAcl",
    "bucketInfo": "BucketInfo",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "inventory": "BucketInventory",
    "lifecycle": "BucketLifecycle",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "policy": "BucketPolicy",
    "referer": "BucketReferer",
    "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment",
    "stat": "BucketStat",
    "style": "Style",
    "tagging": "BucketTags",
    "transferAcceleration": "BucketTransferAcceleration",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
    "worm": "BucketWorm",
}
_OBJECT = {
    "acl": "ObjectAcl",
    "symlink": "Symlink",
    "tagging": "ObjectTagging",
}
_POST = {
    "x-oss-process": "ProcessObject",
    "x-oss-async-process": "AsyncProcessObject",
    "append": "AppendObject",
    "uploads": "InitiateMultipartUpload",
    "uploadId": "CompleteMultipartUpload",
    "restore": "RestoreObject",
}
_VERBS = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post", "OPTIONS": "Options"}


def operation_of(request: Request) -> str:
    """The name of the operation as the documentation gives it, known to this server or not."""
    names = {name for name, _ in request.query}
    verb = _VERBS.get(request.method, request.method.title())
    if not request.bucket:
        return "ListBuckets" if request.method == "GET" else f"{verb}Service"
    if not request.key:
        return _bucket_operation(request, verb, names)
    operation = _object_operation(request, verb, names)
    return f"{operation} with versionId" if "versionId" in names else operation


def _bucket_operation(request: Request, verb: str, names: set[str]) -> str:
    if request.method == "GET" and "style" in names and "styleName" not in names:
        return "ListStyle"
    for name, noun in _BUCKET.items():
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
    for name, noun in _OBJECT.items():
        if name in names:
            return verb + noun
    match request.method:
        case "POST":
            return next((operation for name, operation in _POST.items() if name in names), "PostObject")
        case "PUT":
            copies, part = "x-oss-copy-source" in dict(request.headers), "partNumber" in names
            if part:
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

"""What each operation needs: actions of RAM, and the resource they are needed on. Pure.

Sources: OSS, "RAM policies", table of actions, and the page of each operation.
"""

from collections.abc import Mapping
from types import MappingProxyType

OWNER_ID = "1000000000000000"  # the account all buckets belong to

# Several actions: all of them. What else an operation needs depends on its body and headers and is asked for there:
# the target of sys/saveas needs SAVE_TARGET; a watermark image, the source of a copy and the target of a symlink
# READ_SOURCE; tags in a header oss:PutObjectTagging.
RIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ListBuckets": ("oss:ListBuckets",),
        "PutBucket": ("oss:PutBucket",),
        "DeleteBucket": ("oss:DeleteBucket",),
        "PutBucketAcl": ("oss:PutBucketAcl",),
        "GetBucketAcl": ("oss:GetBucketAcl",),
        "GetBucketLocation": ("oss:GetBucketLocation",),
        "GetBucketInfo": ("oss:GetBucketInfo",),
        "ListObjects": ("oss:ListObjects",),
        "ListObjectsV2": ("oss:ListObjects",),
        "PutStyle": ("oss:PutStyle",),
        "GetStyle": ("oss:GetStyle",),
        "ListStyle": ("oss:ListStyle",),
        "DeleteStyle": ("oss:DeleteStyle",),
        "PutObject": ("oss:PutObject",),
        "CopyObject": ("oss:PutObject",),
        "AppendObject": ("oss:PutObject",),
        "InitiateMultipartUpload": ("oss:PutObject",),
        "UploadPart": ("oss:PutObject",),
        "UploadPartCopy": ("oss:PutObject",),
        "CompleteMultipartUpload": ("oss:PutObject",),
        "AbortMultipartUpload": ("oss:AbortMultipartUpload",),
        "ListParts": ("oss:ListParts",),
        "ListMultipartUploads": ("oss:ListMultipartUploads",),
        "PutSymlink": ("oss:PutObject",),
        "GetSymlink": ("oss:GetObject",),
        "GetObject": ("oss:GetObject",),
        "HeadObject": ("oss:GetObject",),
        "GetObjectMeta": ("oss:GetObject",),
        "PutObjectAcl": ("oss:PutObjectAcl",),
        "GetObjectAcl": ("oss:GetObjectAcl",),
        "PutObjectTagging": ("oss:PutObjectTagging",),
        "GetObjectTagging": ("oss:GetObjectTagging",),
        "DeleteObjectTagging": ("oss:DeleteObjectTagging",),
        "DeleteObject": ("oss:DeleteObject",),
        "DeleteMultipleObjects": ("oss:DeleteObject",),
        "ProcessObject": ("oss:GetObject", "oss:PostProcessTask"),  # recorded as enough, with SAVE_TARGET
        "AsyncProcessObject": ("oss:GetObject", "oss:PostProcessTask"),
    }
)
BY_KEY = frozenset({"DeleteMultipleObjects"})  # asked for each key of the body, once that is read
MAKE_BUCKET, CHANGE_ACL = "oss:PutBucket", "oss:PutBucketAcl"
SAVE_TARGET = "oss:PutObject"
READ_TAGS = "oss:GetObjectTagging"
READ_SOURCE = "oss:GetObject"
DELETE = "oss:DeleteObject"


def resource(bucket: str, key: str, region: str) -> str:
    """A resource by its name; without a bucket: all that belongs to the account."""
    relative = f"{bucket}/{key}" if key else bucket or "*"
    return f"acs:oss:oss-{region}:{OWNER_ID}:{relative}"

"""The operations of the local OSS, by the names the documentation gives them. What is not here is answered with 501."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from worker.emulator.call import Answer, Call
from worker.emulator.operations.buckets import get_bucket_info, list_buckets, put_bucket
from worker.emulator.operations.listing import list_objects
from worker.emulator.operations.objects import delete_object, get_object, get_object_meta, head_object, put_object
from worker.emulator.operations.processing import process_object, refuse_async
from worker.emulator.operations.styles import delete_style, get_style, list_style, put_style

Operation = Callable[[Call], Awaitable[Answer]]

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "ListBuckets": list_buckets,
        "PutBucket": put_bucket,
        "GetBucketInfo": get_bucket_info,
        "ListObjectsV2": list_objects,
        "PutStyle": put_style,
        "GetStyle": get_style,
        "ListStyle": list_style,
        "DeleteStyle": delete_style,
        "PutObject": put_object,
        "GetObject": get_object,
        "HeadObject": head_object,
        "GetObjectMeta": get_object_meta,
        "DeleteObject": delete_object,
        "ProcessObject": process_object,
        "AsyncProcessObject": refuse_async,
    }
)

"""The operations of the local OSS, by the names the documentation gives them. What is not here is answered with 501."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.emulator.call import Answer, Call
from worker.emulator.operations.appending import append_object
from worker.emulator.operations.buckets import (
    delete_bucket,
    get_bucket_acl,
    get_bucket_info,
    get_bucket_location,
    list_buckets,
    put_bucket,
    put_bucket_acl,
)
from worker.emulator.operations.copying import copy_object
from worker.emulator.operations.deleting import delete_multiple_objects
from worker.emulator.operations.describing import (
    delete_object_tagging,
    get_object_acl,
    get_object_tagging,
    put_object_acl,
    put_object_tagging,
)
from worker.emulator.operations.listing import list_objects, list_objects_v2
from worker.emulator.operations.multipart import (
    abort_multipart_upload,
    complete_multipart_upload,
    initiate_multipart_upload,
    list_multipart_uploads,
    list_parts,
    upload_part,
    upload_part_copy,
)
from worker.emulator.operations.objects import delete_object, get_object, get_object_meta, head_object, put_object
from worker.emulator.operations.processing import process_object, refuse_async
from worker.emulator.operations.styles import delete_style, get_style, list_style, put_style
from worker.emulator.operations.symlinks import get_symlink, put_symlink
from worker.oss.parameter import Evidence


@dataclass(frozen=True, slots=True)
class Operation:
    """What answers a request, how it is known that the service answers so, and what part of the operation is here."""

    answer: Callable[[Call], Awaitable[Answer]]
    evidence: Evidence
    note: str = ""


_RECORDED, _DOCUMENTED, _GUESS = Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.GUESS

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "ListBuckets": Operation(list_buckets, _DOCUMENTED, "`prefix`, `marker` and `max-keys`"),
        "PutBucket": Operation(
            put_bucket,
            _DOCUMENTED,
            "again by its owner is no error, and changes the ACL (a guess); storage class and redundancy are not kept",
        ),
        "DeleteBucket": Operation(delete_bucket, _DOCUMENTED, "of a folder not where a person has put other files"),
        "PutBucketAcl": Operation(put_bucket_acl, _DOCUMENTED, "a bucket that is not there is made"),
        "GetBucketAcl": Operation(get_bucket_acl, _DOCUMENTED),
        "GetBucketLocation": Operation(get_bucket_location, _DOCUMENTED),
        "GetBucketInfo": Operation(get_bucket_info, _DOCUMENTED, "name, region, endpoints, owner, dates, ACL"),
        "ListObjects": Operation(
            list_objects, _DOCUMENTED, "all parameters; in byte order and `marker` within a common prefix (guesses)"
        ),
        "ListObjectsV2": Operation(list_objects_v2, _DOCUMENTED, "all parameters; in byte order (a guess)"),
        "PutStyle": Operation(put_style, _DOCUMENTED, "at most 50 in a bucket; the code of one more is a guess"),
        "GetStyle": Operation(get_style, _DOCUMENTED, "the time it was made is that of its last change"),
        "ListStyle": Operation(list_style, _DOCUMENTED),
        "DeleteStyle": Operation(delete_style, _DOCUMENTED),
        "PutObject": Operation(
            put_object,
            _DOCUMENTED,
            "up to 512 MiB; Content-MD5, CRC-64, `x-oss-meta-*`, 8 KiB of metadata (the code of more is a guess), "
            "`x-oss-forbid-overwrite`, ACL, tags; no encryption, callback or storage class",
        ),
        "CopyObject": Operation(
            copy_object,
            _DOCUMENTED,
            "conditions, directives for metadata and tags; onto itself only what describes it changes; a symlink is "
            "copied as one, all else becomes Normal with the MD5 as its ETag (a guess); no versions",
        ),
        "AppendObject": Operation(
            append_object,
            _DOCUMENTED,
            "up to 512 MiB in all, written anew as a whole; the 409 with the next position is recorded; "
            "the ETag has the form of the examples",
        ),
        "InitiateMultipartUpload": Operation(
            initiate_multipart_upload, _DOCUMENTED, "as PutObject; `encoding-type`; no `sequential`"
        ),
        "UploadPart": Operation(upload_part, _DOCUMENTED, "numbers 1 to 10,000, up to 512 MiB; Content-MD5, CRC-64"),
        "UploadPartCopy": Operation(
            upload_part_copy,
            _DOCUMENTED,
            "ranges and conditions; of an appendable object, too (a guess), of a symlink refused",
        ),
        "CompleteMultipartUpload": Operation(
            complete_multipart_upload,
            _DOCUMENTED,
            "parts of at least 100 KB, up to 512 MiB in all; `x-oss-complete-all`, `x-oss-forbid-overwrite`; "
            "the ETag is the MD5 of the parts' MD5s and their number (a guess); no callback",
        ),
        "AbortMultipartUpload": Operation(
            abort_multipart_upload,
            _RECORDED,
            "of no upload the recorded 404; the same of UploadPart and UploadPartCopy",
        ),
        "ListParts": Operation(list_parts, _DOCUMENTED, "all parameters"),
        "ListMultipartUploads": Operation(
            list_multipart_uploads, _DOCUMENTED, "all parameters; in byte order (a guess)"
        ),
        "PutSymlink": Operation(
            put_symlink,
            _DOCUMENTED,
            "metadata, ACL, tags, `x-oss-forbid-overwrite`; its ETag is a guess",
        ),
        "GetSymlink": Operation(
            get_symlink, _DOCUMENTED, "of what is no symlink refused (documented), with 400 NotSymlink, a guess"
        ),
        "GetObject": Operation(
            get_object,
            _DOCUMENTED,
            "ranges, conditions, `response-*` where signed, `x-oss-process`; saveas is refused, its code a guess; "
            "symlinks are followed, one step, and not processed",
        ),
        "HeadObject": Operation(
            head_object,
            _DOCUMENTED,
            "conditions; Content-MD5 of Normal objects; errors in `x-oss-err`; symlinks are followed",
        ),
        "GetObjectMeta": Operation(get_object_meta, _DOCUMENTED, "of a symlink itself"),
        "PutObjectAcl": Operation(put_object_acl, _DOCUMENTED, "without the header refused, its code a guess"),
        "GetObjectAcl": Operation(get_object_acl, _DOCUMENTED),
        "PutObjectTagging": Operation(
            put_object_tagging, _DOCUMENTED, "at most 10 tags, of 128 and 256 characters; messages are guesses"
        ),
        "GetObjectTagging": Operation(get_object_tagging, _DOCUMENTED),
        "DeleteObjectTagging": Operation(delete_object_tagging, _DOCUMENTED),
        "DeleteObject": Operation(delete_object, _DOCUMENTED),
        "DeleteMultipleObjects": Operation(
            delete_multiple_objects,
            _DOCUMENTED,
            "up to 1,000 keys; Content-MD5 is needed (recorded); where one key may not be deleted none is (a guess)",
        ),
        "ProcessObject": Operation(
            process_object,
            _RECORDED,
            "with saveas the recorded JSON, without it the picture; across regions 403, a guess (older pages: 400); "
            "no `x-oss-forbid-overwrite`",
        ),
        "AsyncProcessObject": Operation(
            refuse_async,
            _GUESS,
            "always refused: image actions as the service would (documented as not done so; the code is a guess), all "
            "else with 501",
        ),
    }
)

"""Regions: which there are on this server, where a bucket is, and who asked for it elsewhere."""

import re
from collections.abc import Mapping, Sequence

from worker.emulator import refusals
from worker.emulator.store import Bucket, Store
from worker.errors import UsageError

_HOST = re.compile(r"(?:.*\.)?(?:oss-([a-z0-9-]+?)(?:-internal)?|([a-z0-9-]+)\.oss)\.aliyuncs\.com", re.ASCII)


def region_of_host(host: str, regions: Sequence[str]) -> str:
    """The region whose endpoint a host is; empty where it says nothing of a region that is known."""
    match = _HOST.fullmatch(host.lower().partition(":")[0].rstrip("."))
    region = (match[1] or match[2]) if match else ""
    return region if region in regions else ""


def check_region(bucket: Bucket, asked: str, default: str) -> None:
    """Refuse where a bucket is asked for at the endpoint of another region. `asked` is empty where nobody can say."""
    region = bucket.region or default
    if asked and asked != region:
        raise refusals.elsewhere(bucket.name, region)


def make_buckets(store: Store, buckets: Mapping[str, str], default: str) -> None:
    """Make buckets in their regions.

    Raises:
        UsageError: One of them is there already, in another region.
    """
    for name, region in buckets.items():
        store.make_bucket(name, region)
        bucket = store.bucket(name)
        found = bucket.region or default if bucket else default
        if found != region:
            mend = f"write `{name}: {found}`, or name another bucket"
            raise UsageError(f"the bucket {name} is in {found} already, not in {region}", mend)

"""A refusal: what an error answer of OSS says, in either direction of the wire."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer. `ec` is the detailed code, for people only: OSS may change it, so nothing is decided by it.

    `action` is what RAM says is not allowed, such as `oss:GetObject`, `endpoint` the host where a bucket is that is not
    here; empty where it does not say. Sources: OSS, "Error responses"; for `action` the pages of the error codes
    0003-00000001 and -201.
    """

    http: int
    code: str
    message: str
    ec: str = ""
    action: str = ""
    endpoint: str = ""


class RefusedError(Exception):
    """Raised where a request is found to deserve a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.http} {refusal.code}: {refusal.message}")
        self.refusal = refusal


def refuse(http: int, code: str, message: str, ec: str = "") -> RefusedError:
    """A `RefusedError` ready to raise."""
    return RefusedError(Refusal(http, code, message, ec))

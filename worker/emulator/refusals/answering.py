"""A refusal with what only this one tells, and the XML it is answered with. Source: OSS, "Error responses"."""

from worker.emulator.xml import document, leaf, printable
from worker.oss.refusal import Refusal, RefusedError


class DetailedRefusalError(RefusedError):
    """A refusal with further elements in its body (`details`, and `more` already written) and further headers."""

    def __init__(
        self,
        refusal: Refusal,
        details: tuple[tuple[str, str], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        more: tuple[str, ...] = (),
    ) -> None:
        super().__init__(refusal)
        self.more = more
        self.details = details
        self.headers = headers


def error_document(error: RefusedError, *, request_id: str, host: str) -> bytes:
    """The body of an error answer. The order of its elements is the recorded one."""
    told = error.refusal
    details, more = (error.details, error.more) if isinstance(error, DetailedRefusalError) else ((), ())
    nodes = [
        leaf("Code", told.code),
        leaf("Message", printable(told.message)),
        leaf("RequestId", request_id),
        leaf("HostId", printable(host)),
        *(leaf(name, printable(text)) for name, text in details),
        *more,
    ]
    if told.ec:
        nodes += [
            leaf("EC", told.ec),
            leaf("RecommendDoc", f"https://api.aliyun.com/troubleshoot?q={told.ec}"),
        ]
    return document("Error", *nodes)


def refusal(http: int, code: str, message: str, ec: str = "", **details: str) -> DetailedRefusalError:
    """A refusal; `details` are further elements of its body."""
    return DetailedRefusalError(Refusal(http, code, message, ec), tuple(details.items()))

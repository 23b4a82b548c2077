"""Process strings: the value of `x-oss-process`, parsed and built; and the `sys/saveas` that names a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from worker.oss.encoding import from_base64, to_base64
from worker.oss.names import ObjectRef
from worker.oss.refusal import refuse

PARAMETER = "x-oss-process"
MAX_PIPES = 5  # by default; whether that of sys/saveas counts is not known, so it does not


@dataclass(frozen=True, slots=True)
class Action:
    """One step of an image process: `resize,w_100,h_50` is `Action("resize", (("w", "100"), ("h", "50")))`.

    A parameter without a name, such as the 90 of `rotate,90`, has the empty name.
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ",".join([self.name, *(f"{name}_{value}" if name else value for name, value in self.parameters)])


@dataclass(frozen=True, slots=True)
class Image:
    """An `image/` processor: actions that run from left to right."""

    actions: tuple[Action, ...]

    def __str__(self) -> str:
        return "/".join(["image", *map(str, self.actions)])


@dataclass(frozen=True, slots=True)
class Style:
    """A `style/` processor: the name of a process stored with the bucket."""

    name: str

    def __str__(self) -> str:
        return f"style/{self.name}"


@dataclass(frozen=True, slots=True)
class SaveAs:
    """The `sys/saveas` processor. An empty bucket means the bucket of the source."""

    bucket: str
    key: str


Processor = Image | Style | SaveAs


def saveas(process: str, target: ObjectRef) -> str:
    """The process followed by `sys/saveas`, both names in URL-safe base64 without padding.

    The bucket is always named, though OSS lets it be left out, so that the answer names it too.
    Source: OSS, "Save processed images (sys/saveas)".
    """
    return f"{process}|sys/saveas,o_{to_base64(target.key)},b_{_encoded_bucket(target.bucket)}"


_encoded_bucket = lru_cache(maxsize=16)(to_base64)  # that of all tasks, mostly


def parse(process: str) -> tuple[Processor, ...]:
    """Take a process string apart, in its order. Values are not judged here (see `worker.oss.actions`).

    Raises:
        RefusedError: The string is not a process; with the refusal the service would answer.
    """
    return tuple(_parse_processor(part) for part in process.split("|"))


def check_pipes(processors: Sequence[object]) -> None:
    """Refuse a chain of more processors than the service joins by pipes, `sys/saveas` left out.

    Source: OSS, error code 0040-00000211.
    """
    if len(processors) - 1 > MAX_PIPES:
        raise refuse(400, "TooManyPipes", f"Maximal number of pipes supported is {MAX_PIPES}", "0040-00000211")


def parse_action(text: str) -> Action:
    """Take one action apart. Empty parameters are dropped: a trailing comma is accepted (recorded answer)."""
    name, *parts = text.split(",")
    return Action(name, tuple(_parse_parameter(part) for part in parts if part))


def _parse_parameter(part: str) -> tuple[str, str]:
    name, separator, value = part.partition("_")
    return (name, value) if separator else ("", part)


def _parse_processor(part: str) -> Processor:
    kind, _, rest = part.partition("/")
    match kind:
        case "image" if rest:
            return Image(tuple(parse_action(text) for text in rest.split("/") if text))
        case "image":
            raise refuse(400, "InvalidArgument", "The image process has no action.", "0040-00000212")
        case "style":
            return Style(rest)
        case "sys" if rest.partition(",")[0] == "saveas":
            return _parse_saveas(rest)
        case _:
            raise refuse(400, "InvalidArgument", f"The process {part!r} is not supported.", "0040-00000213")


def _parse_saveas(text: str) -> SaveAs:
    # Not parsed as an action: some SDKs use the standard base64 alphabet, whose '/' is not a separator here.
    names = {"o": "", "b": ""}
    for part in text.split(",")[1:]:
        name, _, value = part.partition("_")
        if name in names:
            try:
                names[name] = from_base64(value)
            except ValueError:
                raise refuse(400, "BadRequest", "Input is not base64 decoding.") from None
    return SaveAs(bucket=names["b"], key=names["o"])

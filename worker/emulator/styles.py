"""From a process string to the actions it stands for: styles are looked up, chains joined, and all of it judged."""

from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.images import check
from worker.emulator.layout import is_style_name
from worker.emulator.store import Store
from worker.oss.process import Action, Image, Processor, SaveAs, Style, check_pipes, parse
from worker.oss.refusal import RefusedError

MAX_STYLES = 50  # of a bucket: OSS, "Image styles"
_FORBIDDEN = frozenset(";()'*? \t\r\n")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do with a picture, every action complete, and where to save the result (None: send it back)."""

    actions: tuple[Action, ...]
    saveas: SaveAs | None


def recipe_of(process: str, store: Store, bucket: str) -> Recipe:
    """The recipe that a process string means on a bucket.

    Raises:
        RefusedError: It is malformed, names a style that does not exist, or asks for what cannot be done.
    """
    processors = parse(process)
    saveas = processors[-1] if isinstance(processors[-1], SaveAs) else None
    if saveas is not None:
        processors = processors[:-1]
    check_pipes(processors)
    images = [image for processor in processors for image in _images(processor, store, bucket)]
    check_pipes(images)  # what styles chain counts as if it were written out (a guess)
    actions = tuple(action for image in images for action in image.actions)
    if not actions:
        raise refusals.invalid_argument("x-oss-process", process, "The image process has no action.", "0040-00000212")
    return Recipe(check(actions), saveas)


def _images(processor: Processor, store: Store, bucket: str) -> tuple[Image, ...]:
    match processor:
        case Image():
            return (processor,)
        case Style(name):
            return _images_of_style(name, store, bucket)
        case SaveAs():
            raise refusals.invalid_argument("x-oss-process", "sys/saveas", "sys/saveas must be the last processor.")


def _images_of_style(name: str, store: Store, bucket: str) -> tuple[Image, ...]:
    check_style_name(name)
    style = store.style(bucket, name)
    if style is None:
        raise refusals.no_such_style(name)
    return _images_in(style.content)


def _images_in(content: str) -> tuple[Image, ...]:
    try:
        processors = parse(content)
    except RefusedError:
        processors = ()
    # A style holds pictures' actions only, so it cannot name another style, or itself.
    images = tuple(processor for processor in processors if isinstance(processor, Image))
    if not images or len(images) != len(processors):
        raise refusals.invalid_style()
    return images


def check_style_name(name: str) -> None:
    """Refuse what cannot be the name of a style."""
    if not is_style_name(name):
        message = f"The value: {name} of parameter: stylename is invalid."
        raise refusals.invalid_argument("stylename", name, message, "0017-00000251")


def check_style_content(content: str) -> None:
    """Refuse what no style may hold. Values of parameters are judged when the style is used.

    Source: OSS, error code 0017-00000253. That only pictures' actions may stand there is a guess.
    """
    if any(character in _FORBIDDEN for character in content):
        raise refusals.invalid_style()
    _images_in(content)

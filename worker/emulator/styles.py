"""From a process string to the actions it stands for: styles are looked up, chains joined, and all of it judged."""

from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.images import check
from worker.emulator.layout import is_style_name
from worker.emulator.store import Store
from worker.oss.process import Action, Image, Processor, SaveAs, Style, parse
from worker.oss.refusal import RefusedError

MAX_PIPES = 5
MAX_STYLES = 50  # of a bucket: OSS, "Image styles"
_FORBIDDEN = frozenset(";()'*? \t\r\n")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do with a picture, and where to save the result (None: send it back)."""

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
    if len(processors) - 1 > MAX_PIPES:
        raise refusals.too_many_pipes(MAX_PIPES)
    actions = tuple(action for processor in processors for action in _actions(processor, store, bucket))
    if not actions:
        raise refusals.invalid_argument("x-oss-process", process, "The image process has no action.", "0040-00000212")
    check(actions)
    return Recipe(actions, saveas)


def _actions(processor: Processor, store: Store, bucket: str) -> tuple[Action, ...]:
    match processor:
        case Image(actions):
            return actions
        case Style(name):
            return _style_actions(name, store, bucket)
        case SaveAs():
            raise refusals.invalid_argument("x-oss-process", "sys/saveas", "sys/saveas must be the last processor.")


def _style_actions(name: str, store: Store, bucket: str) -> tuple[Action, ...]:
    check_style_name(name)
    style = store.style(bucket, name)
    if style is None:
        raise refusals.no_such_style(name)
    return _image_actions(style.content)


def _image_actions(content: str) -> tuple[Action, ...]:
    try:
        processors = parse(content)
    except RefusedError:
        processors = ()
    # A style holds pictures' actions only, so it cannot name another style, or itself.
    images = [processor for processor in processors if isinstance(processor, Image)]
    if not images or len(images) != len(processors):
        raise refusals.invalid_style()
    return tuple(action for image in images for action in image.actions)


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
    _image_actions(content)

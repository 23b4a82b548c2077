"""Recipes: the processes of pipelines, checked before anything is sent."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from worker.batch.findings import MendableError, nearest, shown
from worker.batch.template import Encoded, Field, Part, ProcessPart, ProcessTemplate, TemplateError, parse_value
from worker.oss.actions import (
    ACTIONS,
    BARE,
    ActionError,
    build,
    check,
    expected,
    image_problem,
    output_format,
    unknown_parameter,
    watermark_image,
)
from worker.oss.lint import Remark, remarks
from worker.oss.parameter import decoded
from worker.oss.process import Action, Image, Style, parse, parse_action
from worker.oss.refusal import RefusedError

_IMAGE = "image/"
# Source: OSS, "Image styles": the names of styles.
_STYLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}", re.ASCII)
# No recipe is half as long; a manifest could hold one that takes minutes to judge.
MAX_PROCESS = 8192
# Stands for a field while the rest of a process is judged. A private-use character has no meaning in any process.
_FIELD = "\ue000"


def from_process(text: str) -> ProcessTemplate:
    """A process as in the OSS documentation, perhaps with fields.

    Raises:
        MendableError: The service would refuse it, or it puts out no picture that can be saved.
    """
    _check_length(text)
    try:
        template = ProcessTemplate.parse(text)
    except TemplateError as error:
        raise MendableError(error.reason, error.mend, error.offset) from None
    # Offsets are told only where the text is the process itself.
    _check(template.with_fields_as(_FIELD), exact=template.constant == text)
    return template


def from_style(name: str) -> ProcessTemplate:
    """A process that is a style.

    Raises:
        MendableError: No style can have this name.
    """
    if not _STYLE_NAME.fullmatch(name):
        raise MendableError(
            f"{shown(name)} is no name of a style", "a name has 1 to 63 letters, digits, '_', '-' and '.'"
        )
    return ProcessTemplate.literal(str(Style(name)))


class PartError(MendableError):
    """A structured action is wrong in a part: `parameter`, empty for the action itself; `is_name`: in that name."""

    def __init__(self, reason: str, mend: str, parameter: str, offset: int = 0, *, is_name: bool = False) -> None:
        super().__init__(reason, mend, offset)
        self.parameter = parameter
        self.is_name = is_name


def from_action(name: str, parameters: dict[str, str] | str) -> tuple[ProcessPart, ...]:
    """An action in clear values, encoded: its part of a process. Values with fields are judged with each source's.

    Raises:
        PartError: The action, a parameter or a field does not exist, or a value is out of range.
    """
    given = parameters if isinstance(parameters, dict) else {BARE: parameters}
    values = {key: _clear_value(key, value) for key, value in given.items()}
    later = {key for key, parts in values.items() if any(isinstance(part, Field) for part in parts)}
    clear = {key: "" if key in later else "".join(map(str, parts)) for key, parts in values.items()}
    try:
        _check_picture(name)
        action = build(name, clear, later)
    except ActionError as error:
        raise PartError(error.reason, error.mend, error.parameter, is_name=error.is_name) from None
    except MendableError as error:
        raise PartError(error.reason, error.mend, "", is_name=True) from None
    if later and name == "format":
        raise PartError("format: a field", "write the format: one recipe puts out one format", "")
    parts: list[ProcessPart] = [name]
    for key, value in action.parameters:
        parts.append(f",{key}_" if key else ",")
        if key not in later:
            parts.append(value)
        elif ACTIONS[name].parameters[key].is_encoded:
            parts.append(Encoded(values[key]))
        else:
            parts += values[key]
    return tuple(parts)


def _clear_value(parameter: str, value: str) -> tuple[Part, ...]:
    try:
        return parse_value(value)
    except TemplateError as error:
        raise PartError(error.reason, error.mend, parameter, error.offset) from None


def from_actions(actions: Sequence[tuple[ProcessPart, ...]]) -> ProcessTemplate:
    """A process of structured actions.

    Raises:
        MendableError: It is too long.
    """
    parts = (_IMAGE.removesuffix("/"), *chain.from_iterable(("/", *action) for action in actions))
    template = ProcessTemplate.joined(parts)
    _check_length(template.with_fields_as(_FIELD))
    return template


def recheck(process: str) -> None:
    """Judge a process again once its fields are filled in.

    Raises:
        MendableError: The service would refuse it.
    """
    _check(process, exact=False)
    for remark in remarks(parse(process)):
        if remark.refused:
            raise MendableError(remark.reason, remark.mend)


def remarks_on(template: ProcessTemplate) -> list[Remark]:
    """What is odd about a recipe that is right action by action; values with fields are not judged."""
    found = remarks(parse(template.with_fields_as(_FIELD)))
    return [replace(remark, reason=remark.reason.replace(_FIELD, "{...}")) for remark in found]


def offsets(process: str) -> list[int]:
    """How many characters of a process stand before each step of it: an action or a style."""
    offset, found = 0, []
    for part in process.split("|"):
        within = [before for before, _ in _actions(part)] if part.startswith(_IMAGE) else [0]
        found += [offset + before for before in within]
        offset += len(part) + 1
    return found


def set_format(template: ProcessTemplate) -> str | None:
    """The format that a recipe sets, None where it keeps the source's or leaves it to a style."""
    return output_format(template.with_fields_as(_FIELD))


def has_style(template: ProcessTemplate) -> bool:
    """Whether a style is part of the process, so that only its author knows what it puts out."""
    return bool(styles(template))


def styles(template: ProcessTemplate) -> frozenset[str]:
    """The names of the styles that are part of the process."""
    processors = parse(template.with_fields_as(_FIELD))
    return frozenset(processor.name for processor in processors if isinstance(processor, Style))


def watermark_images(template: ProcessTemplate) -> frozenset[str | None]:
    """The keys of the images that its watermarks need, None for one that only a source's fields tell."""
    values = {
        value
        for processor in parse(template.with_fields_as(_FIELD))
        if isinstance(processor, Image)
        for action in processor.actions
        if action.name == "watermark"
        for name, value in action.parameters
        if name == "image"
    }
    return frozenset(None if _FIELD in value else watermark_image(value)[0] for value in values)


def is_style(template: ProcessTemplate) -> bool:
    """Whether the process is one style and nothing else."""
    processors = parse(template.with_fields_as(_FIELD))
    return len(processors) == 1 and isinstance(processors[0], Style)


def _check_length(process: str) -> None:
    if len(process) > MAX_PROCESS:
        raise MendableError(f"a process of {len(process):,} characters: at most {MAX_PROCESS:,}", "shorten it")


def _check(process: str, *, exact: bool) -> None:
    offset = 0
    for part in process.split("|"):
        try:
            _check_processor(part)
        except MendableError as error:
            raise MendableError(error.reason, error.mend, offset + error.offset if exact else 0) from None
        offset += len(part) + 1


def _check_processor(text: str) -> None:
    if text.startswith("sys/"):
        raise MendableError(
            f"{shown(text.partition(',')[0])} in a process", "leave it out: the worker adds sys/saveas itself"
        )
    try:
        (processor,) = parse(text)
    except RefusedError as error:
        raise MendableError(_said(error), "write image/ACTION,... as in the OSS documentation") from None
    if isinstance(processor, Style):
        from_style(processor.name)
        return
    actions = list(_actions(text))
    if not actions:
        raise MendableError("an image process without an action", "write image/ACTION,...")
    for offset, action in actions:
        try:
            _check_action(action)
        except MendableError as error:
            raise MendableError(error.reason, error.mend, offset) from None


def _actions(text: str) -> Iterator[tuple[int, Action]]:
    """The actions of an image process, each with the number of characters before it."""
    offset = len(_IMAGE)
    for part in text[offset:].split("/"):
        if part:
            yield offset, parse_action(part)
        offset += len(part) + 1


def _check_action(action: Action) -> None:
    if _FIELD in action.name:
        raise MendableError("a field as the name of an action", "use fields in values only")
    if action.name not in ACTIONS:
        raise MendableError(f"unknown action {shown(action.name)}", nearest(action.name, ACTIONS))
    _check_picture(action.name)
    if any(_FIELD in name for name, _ in action.parameters):
        raise MendableError(f"{action.name}: a field in the name of a parameter", "use fields in values only")
    image = dict(action.parameters).get("image") if action.name == "watermark" else None
    if image is not None and decoded(image) and (problem := image_problem(image)):
        raise MendableError(f"watermark image: {problem.reason}", problem.mend)
    if not any(_FIELD in value for _, value in action.parameters):
        try:
            check(action)
        except RefusedError as error:
            raise MendableError(_said(error), expected(action)) from None
    elif action.name == "format":
        raise MendableError("format: a field", "write the format: one recipe puts out one format")
    if problem := unknown_parameter(action):
        raise MendableError(problem.reason, problem.mend)


def _check_picture(name: str) -> None:
    if name in ACTIONS and not ACTIONS[name].picture:
        raise MendableError(f"{name!r} puts out no picture, so there is nothing to save", "leave it out")


def _said(error: RefusedError) -> str:
    refusal = error.refusal
    message = refusal.message.replace(repr(_FIELD)[1:-1], "{...}")
    return f"the service would refuse this: {message}" + (f" ({refusal.ec})" if refusal.ec else "")

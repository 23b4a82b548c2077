"""Actions against the table: the checks of the service, and actions built from clear values."""

import difflib
from collections.abc import Collection, Mapping

from worker.oss.action_table import ACTIONS, FONTS, FORMATS, GRAVITIES, WATERMARK_ACTIONS
from worker.oss.encoding import to_base64
from worker.oss.names import key_problem
from worker.oss.parameter import BARE, ActionSpec, Kind, Parameter, decoded, is_integer
from worker.oss.process import Action, Image, Style, check_pipes, parse
from worker.oss.refusal import RefusedError, refuse

__all__ = [
    "ACTIONS",
    "BARE",
    "FONTS",
    "FORMATS",
    "GRAVITIES",
    "ActionError",
    "Kind",
    "build",
    "check",
    "complete",
    "expected",
    "image_problem",
    "output_format",
    "unknown_parameter",
    "values",
    "watermark_image",
]

# Source: OSS, the pages of these detailed codes.
_NESTED_EC = {"watermark": "0040-00000373", "info": "0040-00000374"}


class ActionError(ValueError):
    """An action of a manifest is wrong: `parameter` names the part, empty for the action itself.

    `is_name`: there is nothing of this name.
    """

    def __init__(self, reason: str, mend: str, parameter: str = "", *, is_name: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend
        self.parameter = parameter
        self.is_name = is_name


def values(action: Action) -> dict[str, str]:
    """The parameters of an action by name; of duplicates the last one wins (documented)."""
    return dict(action.parameters)


def complete(action: Action, specs: Mapping[str, ActionSpec] = ACTIONS) -> Action:
    """A checked action with everything said: defaults where nothing is given, the new names of what has an old one.

    What has no meaning is left out, and of duplicates the last one stays.
    """
    spec = specs[action.name]
    given = {name: value for name, value in values(action).items() if name in spec.parameters}
    meant = dict(
        spec.parameters[name].means[value] for name, value in given.items() if value in spec.parameters[name].means
    )
    return Action(action.name, tuple({**spec.defaults, **meant, **given}.items()))


def check(action: Action) -> None:
    """Judge an action as the service does.

    Raises:
        RefusedError: It does not exist, or a value is missing or out of range. A parameter with an unknown name is
            ignored, as `crop,...,r_1` is recorded to be, save in actions of one bare value (`format,f_png` is refused).
    """
    spec = ACTIONS.get(action.name)
    if spec is None:
        raise refuse(400, "InvalidArgument", f"The action: {action.name} is not supported.", "0040-00000213")
    _check_against(spec, action)
    if action.name == "watermark" and "image" in values(action):
        watermark_image(values(action)["image"])


def watermark_image(value: str) -> tuple[str, tuple[Action, ...]]:
    """The key of a watermark image, and the complete actions that prepare it, from the value of `image`.

    Raises:
        RefusedError: Its own process is wrong, or holds what a watermark image cannot be prepared with.
    """
    key, actions = _watermark_image(value)
    for action in actions:
        spec = WATERMARK_ACTIONS.get(action.name)
        if spec is None:
            message = f"The action: {action.name} is not supported for a watermark image."
            raise refuse(400, "InvalidArgument", message, _NESTED_EC.get(action.name, ""))
        _check_against(spec, action)
    return key, tuple(complete(action, WATERMARK_ACTIONS) for action in actions)


def _watermark_image(value: str) -> tuple[str, tuple[Action, ...]]:
    key, _, process = (decoded(value) or "").partition("?x-oss-process=")
    actions: list[Action] = []
    processors = parse(process) if process else ()
    check_pipes(processors)
    for processor in processors:
        if not isinstance(processor, Image):
            raise refuse(400, "InvalidArgument", "A watermark image can only be prepared by image actions.")
        actions += processor.actions
    return key, tuple(actions)


def image_problem(value: str) -> ActionError | None:
    """What is wrong with the value of `image`, as an author of a recipe is told it; None where nothing is."""
    mend = f"write KEY?x-oss-process=image/..., with {', '.join(WATERMARK_ACTIONS)}"
    try:
        key, actions = _watermark_image(value)
    except RefusedError as error:
        return ActionError(error.refusal.message, mend)
    if reason := key_problem(key):
        return ActionError(reason, "write KEY, or KEY?x-oss-process=image/...")
    for action in actions:
        if action.name not in WATERMARK_ACTIONS:
            return ActionError(f"The action: {action.name} is not supported for a watermark image.", mend)
        try:
            _check_against(WATERMARK_ACTIONS[action.name], action)
        except RefusedError as error:
            return ActionError(error.refusal.message, expected(action, WATERMARK_ACTIONS))
        if problem := unknown_parameter(action, WATERMARK_ACTIONS):
            return problem
    return None


def unknown_parameter(action: Action, known: Mapping[str, ActionSpec] = ACTIONS) -> ActionError | None:
    """The first parameter that the table does not know: the service ignores some of these, and refuses others."""
    spec = known[action.name]
    name = next((name for name, _ in action.parameters if name not in spec.parameters), None)
    return None if name is None else _unknown(spec, name)


def expected(action: Action, known: Mapping[str, ActionSpec] = ACTIONS) -> str:
    """What the first parameter takes whose value is wrong, or what the action needs."""
    spec = known[action.name]
    for name, value in action.parameters:
        if name in spec.parameters and not spec.parameters[name].accepts(value):
            return f"{name or action.name} takes {spec.parameters[name].expected_for(value)}"
    needed = " or ".join(f"{name}_..." if name else "one value" for name in spec.required)
    return f"{action.name} takes {needed}" if needed else f"{action.name} takes one value"


def _unknown(spec: ActionSpec, name: str) -> ActionError:
    if name == BARE:
        return ActionError(f"{spec.name} takes named parameters", _nearest(name, spec.parameters))
    mend = f"it takes {spec.parameters[BARE].expected}" if spec.is_bare else _nearest(name, spec.parameters)
    return ActionError(f"{spec.name} has no parameter {name!r}", mend, name, is_name=True)


def _check_against(spec: ActionSpec, action: Action) -> None:
    given = values(action)
    if spec.is_bare:
        _check_bare(spec, action)
    if spec.required and not any(name in given for name in spec.required):
        raise refuse(400, "MissingArgument", "Missing Some Required Arguments.", spec.missing_ec)
    for name, value in given.items():
        parameter = spec.parameters.get(name)
        if parameter is not None and not parameter.accepts(value):
            raise _bad_value(action, parameter, value)


def build(name: str, parameters: Mapping[str, str] | str, later: Collection[str] = ()) -> Action:
    """An action from the clear values of a manifest; texts, fonts and keys of images are encoded here.

    The values of the parameters `later` hold fields: they are judged once these are filled in, and stay as they are.

    Raises:
        ActionError: The action or a parameter does not exist, or a value is out of range.
    """
    spec = ACTIONS.get(name)
    if spec is None:
        raise ActionError(f"unknown action {name!r}", _nearest(name, ACTIONS), is_name=True)
    given = {BARE: parameters} if isinstance(parameters, str) else dict(parameters)
    if spec.is_bare and BARE not in given:
        raise ActionError(f"{name} takes one value", f"write `{name}: VALUE`, {spec.parameters[BARE].expected}")
    if BARE in given and not spec.is_bare:
        raise ActionError(f"{name} takes named parameters", f"write `{name}: {{name: value}}`")
    unknown = next((key for key in given if key not in spec.parameters), None)
    if unknown is not None:
        raise _unknown(spec, unknown)
    missing = spec.required and not any(key in given for key in spec.required)
    if missing:
        raise ActionError(f"{name} needs {' or '.join(spec.required)}", "add the parameter")
    return Action(name, tuple((key, _encode(spec, key, value, judge=key not in later)) for key, value in given.items()))


def output_format(process: str) -> str | None:
    """The format that the last `format` action of a process sets, None where none does, or a style follows."""
    found = None
    for processor in parse(process):
        if isinstance(processor, Style):
            found = None
        elif isinstance(processor, Image):
            for action in processor.actions:
                if action.name == "format":
                    found = values(action).get(BARE, found)
    return found


def _check_bare(spec: ActionSpec, action: Action) -> None:
    if not action.parameters:
        return
    named = next((name for name, _ in action.parameters if name), None)
    if named is not None:
        # Recorded: format,f_png answers `The value: f of parameter: f is invalid.`
        message = f"The value: {named} of parameter: {named} is invalid."
        raise refuse(400, "InvalidArgument", message, spec.parameters[BARE].ec)
    if len(action.parameters) > 1:
        value = ",".join(value for _, value in action.parameters)
        message = f"The value: {value} of parameter: {action.name} is invalid."
        raise refuse(400, "InvalidArgument", message, "0040-00000203")


def _bad_value(action: Action, parameter: Parameter, value: str) -> RefusedError:
    if parameter.is_encoded and decoded(value) is None:
        return refuse(400, "BadRequest", "Input is not base64 decoding.", parameter.ec)
    name = parameter.name or action.name
    # Recorded for a value that is no number: the reason follows without a blank.
    not_a_number = parameter.kind is Kind.INTEGER and not is_integer(value)
    reason = "reason:Value must be digit" if not_a_number else ""
    return refuse(400, "InvalidArgument", f"The value: {value} of parameter: {name} is invalid.{reason}", parameter.ec)


def _encode(spec: ActionSpec, name: str, value: str, *, judge: bool) -> str:
    parameter = spec.parameters[name]
    if not judge:
        return value
    encoded = to_base64(value) if parameter.is_encoded else value
    if not parameter.accepts(encoded):
        shown = f"{spec.name} {name}".rstrip()
        raise ActionError(f"{shown}: {value!r} is not accepted", f"it takes {parameter.expected_for(value)}", name)
    if parameter.kind is Kind.OBJECT and (problem := image_problem(encoded)):
        raise ActionError(f"{spec.name} {name}: {value!r}: {problem.reason}", problem.mend, name)
    return encoded


def _nearest(name: str, known: Mapping[str, object]) -> str:
    names = [key for key in known if key]
    near = difflib.get_close_matches(name, names, n=1) or [key for key in names if key == name[:1]]  # width is w
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}" if names else "it takes none"

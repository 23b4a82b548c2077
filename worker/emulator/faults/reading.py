"""Faults files: rules of faults from YAML or JSON."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from worker.emulator.access.rights import RIGHTS
from worker.emulator.configuration import Value, nearest, read_file, read_text, shown
from worker.emulator.faults.deciding import Faults
from worker.emulator.faults.rules import DONE, FORMS, Fault, Rule, Schedule

_MOST = 1_000_000_000
_SCHEDULE = ("probability", "nth", "every", "from", "to", "per_key")


def read_faults(path: Path) -> Faults:
    """The rules in a faults file.

    Raises:
        UsageError: It makes no sense, with the place and the mend.
    """
    return read_file(path, _faults)


def parse_rule(text: str) -> Rule:
    """One rule as it stands in a faults file; raises UsageError as `read_faults` does."""
    return read_text(text, "<rule>", _rule)


def _faults(root: Value) -> Faults:
    found = root.fields(needed=("version", "faults"), known=("seed",))
    found["version"].choice(("1",))
    seed = found["seed"].whole(0, _MOST) if "seed" in found else 0
    return Faults(map(_rule, found["faults"].items()), seed)


def _rule(value: Value) -> Rule:
    fault = next((item for key, item in value.entries() if key.text() == "fault"), None)
    if fault is None:
        raise value.wrong("fault is missing", f"add `fault:` and one of {', '.join(Fault)}")
    kind = Fault(fault.choice(tuple(Fault)))
    form = FORMS[kind]
    found = value.fields(needed=("fault", *form.needs), known=(*form.takes, "operation", "bucket", "key", *_SCHEDULE))
    parameters = {name: _READERS[name](found[name]) for name in (*form.needs, *form.takes) if name in found}
    for name in ("seconds", "jitter"):
        if parameters.get(name, 0) < 0 and kind is not Fault.CLOCK_SKEW:
            raise found[name].wrong("this time is negative", "write one of 0 or more")
    return Rule(
        fault=kind,
        operations=tuple(map(_operation, found["operation"].one_or_more())) if "operation" in found else ("*",),
        bucket=found["bucket"].name() if "bucket" in found else "*",
        key=found["key"].name() if "key" in found else "*",
        when=_schedule(found),
        **({"processed": kind in DONE} | parameters),
    )


def _operation(value: Value) -> str:
    text = value.name()
    if text not in RIGHTS and not set(text) & set("*?"):
        mend = f"write {nearest(text, sorted(RIGHTS))}, or a pattern such as Get*"
        raise value.wrong(f"{shown(text)} is no operation of the local OSS", mend)
    return text


def _schedule(found: Mapping[str, Value]) -> Schedule:
    given: dict[str, Any] = {}
    if "probability" in found:
        given["probability"] = found["probability"].number(0, 1)
    if "nth" in found:
        given["nth"] = frozenset(item.whole(1, _MOST) for item in found["nth"].one_or_more())
        if not given["nth"]:
            raise found["nth"].wrong("this is empty", "write a number, or a list of some")
    for name, field in (("every", "every"), ("from", "first"), ("to", "last")):
        if name in found:
            given[field] = found[name].whole(1, _MOST)
    if "per_key" in found:
        given["per_key"] = found["per_key"].flag()
    schedule = Schedule(**given)
    if schedule.last is not None and schedule.last < schedule.first:
        raise found["to"].wrong("this rule never strikes: `to` is before `from`", "write a greater number")
    return schedule


_READERS: Mapping[str, Callable[[Value], Any]] = {
    "seconds": Value.seconds,
    "jitter": Value.seconds,
    "status": lambda value: value.whole(400, 599),
    "code": Value.name,
    "message": Value.text,
    "ec": Value.text,
    "retry_after": Value.name,
    "processed": Value.flag,
    "limit": lambda value: value.number(0.001, _MOST),
}
assert set(_READERS) <= {field.name for field in fields(Rule)}

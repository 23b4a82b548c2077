"""The JSON Schemas of docs/schema, from the shapes and tables of the code. `python -m tests.docs` writes them anew."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from worker.batch import entry_reader, pipeline, quantity, reader, recipe
from worker.batch.record import Record
from worker.oss import names
from worker.oss.action_table import ACTIONS
from worker.oss.parameter import BARE, ActionSpec, Kind, Parameter
from worker.settings import Settings

Schema = dict[str, Any]

DIRECTORY = Path(__file__).parents[1] / "docs/schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# YAML gives a text that looks like a number or a boolean as one; the worker reads all of them as they are written.
_TEXT = ["string", "number", "boolean"]
_FLAG: Schema = {"enum": [True, False, "yes", "no", "on", "off"]}
_MANIFEST = {
    "version": "The version of the manifest: 1.",
    "job": "With the results place, the identity of the job: 1 to 47 of a-z, 0-9 and '-'.",
    "bucket": "The bucket of sources that name none.",
    "sources": "Where source objects are found: any number of entries, of any kind.",
    "pipelines": "What is made of every source: recipes, and where their results go.",
    "existing": "What happens to targets that exist and that this job's log does not know.",
    "allow": "What is refused unless it stands here.",
}
_ENTRY = {
    "prefix": 'A listing: every object whose key begins so; "" is the whole bucket.',
    "objects": "Keys, here in the manifest.",
    "list": "A file with one key a line; - is standard input.",
    "csv": "A table with a column `key`, and columns of your own for {row.COLUMN}; - is standard input.",
    "jsonl": "JSON objects, one a line, with a member `key`; - is standard input.",
    "parquet": "A Parquet file with a column `key`.",
    "inventory": "The manifest.json of a bucket inventory.",
    "bucket": "The bucket of these sources; the manifest's if missing.",
    "include": "Patterns of whole keys, of which one has to match: *, ?, [abc]; * crosses /.",
    "exclude": "Patterns of whole keys, of which none may match.",
    "ignore_case": "The case of patterns and keys does not count.",
    "modified_after": "Modified then or later: a duration before the run's start (7d), or a timestamp with a zone.",
    "modified_before": "Modified earlier: a duration before the run's start (7d), or a timestamp with a zone.",
    "min_size": "At least so many bytes: 500000, 10MB, 1MiB.",
    "max_size": "At most so many bytes: 500000, 10MB, 1MiB.",
    "empty": "Whether selecting nothing ends the run with 66.",
    "etag": "ignore: do not look at contents, so that changes are not seen and no HEAD is sent.",
    "columns": "The names of the columns.",
}
_PIPELINE = {
    "name": "1 to 47 of a-z, 0-9 and '-', once in a manifest.",
    "target": "Where results go.",
    "process": "A recipe as in the OSS documentation: image/resize,w_100/format,webp. The worker adds sys/saveas.",
    "style": "A recipe by its name: a style stored with the source bucket.",
    "actions": "A recipe in clear values, which the worker checks and encodes.",
    "format": "What the style puts out, for {ext} and {format}.",
    "revision": "Part of a task's identity: raise it when a style has changed, and everything is done again.",
    "save": "saveas: by one POST, within the region of the source. relay: by a GET and a PUT, to any region.",
}
_TARGET = {
    "key": "A template: {key} {name} {dir} {stem} {ext} {format} {bucket} {pipeline} {job} {hash} {row.COLUMN}.",
    "bucket": "That of the source if missing.",
    "endpoint": "Of a relay: the URL of the bucket's endpoint, where that is not the one of the settings.",
    "region": "Of a relay: the bucket's region, which goes with its endpoint.",
}
_ACTIONS = {
    "resize": "Scale, perhaps cut or padded to a size.",
    "crop": "Cut out a rectangle.",
    "rotate": "Turn clockwise, by degrees.",
    "auto-orient": "Turn as the EXIF orientation says: 1, the default; 0 leaves it.",
    "quality": "How well JPG, WebP and AVIF are kept.",
    "format": "What is put out.",
    "interlace": "1: a JPG that is shown coarse first, then finer.",
    "indexcrop": "Cut into slices, and keep one.",
    "circle": "Cut out a circle.",
    "rounded-corners": "Round the corners off.",
    "blur": "Blur.",
    "bright": "Brighter, or darker below 0.",
    "contrast": "More contrast, or less below 0.",
    "sharpen": "Sharpen; 100 is recommended.",
    "watermark": "Put a text, an image or both over the picture.",
}
_SETTINGS = {
    "endpoint": "local, or the URL of an endpoint: https://oss-cn-hangzhou.aliyuncs.com.",
    "region": "The ID of the buckets' region, without oss-.",
    "addressing": "Where a URL names the bucket: in the host (virtual), in the path, or the domain is its own (cname).",
    "signature": "The version of signatures.",
    "credentials": "Where access keys come from; they never stand in this file.",
    "results": "Where results logs are kept, which are the checkpoints of jobs.",
    "results_durable": "true: this directory outlives the pod.",
    "results_patience_s": "How long a run waits for results that cannot be written, in seconds.",
    "limits": "What a run asks of the service at most.",
    "limits.requests_per_second": "Requests a second, of all kinds.",
    "limits.source_mb_per_second": "Source pictures a second, in units of 1,000,000 bytes.",
    "limits.concurrency": "Tasks in flight.",
    "limits.adaptive": "Fewer in flight while the service throttles.",
    "retry": "How often and how long a task is tried.",
    "retry.max_attempts": "Attempts of a task that blame the task itself.",
    "retry.base_delay_s": "The first wait before a retry, in seconds; at most max_delay_s.",
    "retry.max_delay_s": "The longest wait before a retry, in seconds.",
    "retry.task_deadline_s": "How long a task may take with all its retries, in seconds.",
    "timeout": "How long one attempt may take.",
    "timeout.connect_s": "Until there is a connection, in seconds.",
    "timeout.total_s": "In all, in seconds.",
    "failure": "When a run stops because it goes wrong for all.",
    "failure.canary": "Stop if the first so many results are all systemic failures; 0 is off.",
    "failure.max_ratio": "Stop if more than this part of the latest results are systemic failures; 1 is off.",
    "failure.window": "How many results are the latest.",
    "failure.accept": "So many failed tasks still end with 0.",
    "failure.per_code": "Ratios of the latest results by error code, as {ImageDamage: 0.1}.",
    "shutdown": "How long a run may take to end, and to show no progress at all.",
    "shutdown.grace_s": "What is in flight may end within so many seconds after a signal.",
    "shutdown.stall_s": "A run in which nothing happens for so many seconds ends.",
    "metrics": "Where a run tells Prometheus how far it is, and a Pushgateway how it has ended.",
    "metrics.port": "The port of /metrics while a run goes on, on all addresses; null for none.",
    "metrics.pushgateway": "The URL of a Pushgateway, without a password; null for none.",
    "transport": "The way to the service.",
    "transport.proxy": "env, none, or the URL of a proxy without a password.",
    "transport.ca_file": "Certificates to trust, as a PEM file.",
    "transport.allow_plain_http": "true: http:// to another machine, too.",
    "log": "What goes to standard error besides progress.",
    "log.format": "auto is text on a terminal, JSON elsewhere.",
    "log.level": "The least level that is told.",
    "local": "The local OSS of `endpoint: local`.",
    "local.root": "The directory of its buckets.",
    "local.samples": "Sample pictures are painted into it.",
    "local.in_cluster": "true: it may run in a cluster, though what it saves is lost with the pod.",
}
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "job": reader._JOB,
    "name": pipeline._NAME,
    "bucket": names._BUCKET,
    "style": recipe._STYLE_NAME,
    "min_size": quantity._SIZE,
    "max_size": quantity._SIZE,
}


def manifest() -> Schema:
    """The schema of manifests: stricter than the worker only where an editor had better complain."""
    entries = [_shape(shape, _ENTRY) for shape in entry_reader._SHAPES.values()]
    found = _shape(reader._Manifest, _MANIFEST)
    properties = found["properties"]
    properties["version"] = {"enum": [reader.VERSION, str(reader.VERSION)], "description": _MANIFEST["version"]}
    properties["sources"] |= {"minItems": 1, "items": {"type": "object", "oneOf": entries}}
    properties["pipelines"] |= {"minItems": 1, "items": _pipeline()}
    return _document("manifest", "A job of oss-saveas: which source objects go through which pipelines.", found)


def settings() -> Schema:
    """The schema of settings files."""
    found = TypeAdapter(Settings).json_schema()
    groups = found.pop("$defs")
    properties = {}
    for name, node in found["properties"].items():
        group = groups[node["$ref"].rpartition("/")[2]] if "$ref" in node else None
        properties[name] = _described(_group(name, group) if group else node, _SETTINGS[name])
    # Nothing is required: the endpoint may come from the environment or a flag.
    closed = {"type": "object", "additionalProperties": False, "properties": properties}
    return _document("settings", "Settings of oss-saveas: how and where it runs.", closed)


def _group(name: str, found: Schema) -> Schema:
    members = {inner: _described(node, _SETTINGS[f"{name}.{inner}"]) for inner, node in found["properties"].items()}
    return {"type": "object", "additionalProperties": False, "properties": members}


def result() -> Schema:
    """The schema of a line of the results log. Readers ignore fields they do not know."""
    found = json.loads(json.dumps(msgspec.json.schema(Record)).replace("\\\\Z", "$"))
    told = _log_table()
    shapes = found["$defs"]
    line = shapes.pop("Record")
    line["properties"] = {name: _described(node, told[name]) for name, node in line["properties"].items()}
    for shape in (line, *shapes.values()):
        shape["description"] = " ".join(shape["description"].split())
        shape.pop("title")
    shapes["Status"]["enum"].sort()
    return _document("result", line.pop("description"), line | {"$defs": shapes})


SCHEMAS: dict[str, Callable[[], Schema]] = {"manifest": manifest, "settings": settings, "result": result}


def written(name: str) -> str:
    """A schema as its file holds it."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def path_of(name: str) -> Path:
    """The file of a schema."""
    return DIRECTORY / f"{name}.schema.json"


class _Loader(yaml.SafeLoader):
    """YAML as editors read it: timestamps are texts."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def problems(schema: str, text: str) -> list[str]:
    """What an editor would underline."""
    document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return [error.message for error in _validator(schema).iter_errors(document)]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(path_of(name).read_text("utf-8")))


def _document(name: str, description: str, found: Schema) -> Schema:
    return {"$schema": _DIALECT, "title": f"oss-saveas {name}", "description": description} | found


def _shape(shape: type, told: Mapping[str, str]) -> Schema:
    """A mapping of a manifest, from the shape that reads it."""
    found = TypeAdapter(shape).json_schema()
    properties = {name: _value(name, node, told[name]) for name, node in found["properties"].items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": found["required"],
        "properties": properties,
    }


def _value(name: str, node: Schema, description: str) -> Schema:
    options = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    (node,) = options
    match node.get("type"):
        case "boolean":
            return {"description": description} | _FLAG
        case "array":
            return {"description": description, "type": "array", "items": _value("", node["items"], "")}
        case "string" if "enum" in node or "const" in node:
            found: Schema = {"enum": node.get("enum", [node.get("const")])}
        case "string":
            found = {"type": _TEXT}
            if name in _PATTERNS:
                found["pattern"] = f"^(?:{_PATTERNS[name].pattern})$"
        case _:
            found = {}
    return {"description": description} | found if description else found


def _pipeline() -> Schema:
    found = _shape(pipeline._Pipeline, _PIPELINE)
    properties = found["properties"]
    properties["target"] |= _shape(pipeline._Target, _TARGET)
    properties["target"]["dependentRequired"] = {"endpoint": ["region", "bucket"], "region": ["endpoint"]}
    properties["actions"] |= {"minItems": 1, "items": _one_action()}
    found["oneOf"] = [{"required": [name]} for name in pipeline._RECIPES]
    found["dependentRequired"] = {"format": ["style"]}
    return found


def _one_action() -> Schema:
    specs = [spec for spec in ACTIONS.values() if spec.picture]
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {spec.name: {"description": _ACTIONS[spec.name]} | _action(spec) for spec in specs},
    }


def _action(spec: ActionSpec) -> Schema:
    if spec.is_bare:
        return _parameter(spec.parameters[BARE])
    named = [parameter for parameter in spec.parameters.values() if parameter.name]
    return {
        "type": "object",
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in spec.required] or [{}],
        "properties": {
            parameter.name: {"description": _meaning(parameter)} | _parameter(parameter) for parameter in named
        },
    }


def _meaning(parameter: Parameter) -> str:
    words = [parameter.expected, parameter.note, f"default {parameter.default}" if parameter.default else ""]
    found = "; ".join(word for word in words if word)
    return found[0].upper() + found[1:] + "."


def _parameter(parameter: Parameter) -> Schema:
    """What a parameter takes: such a value, as YAML gives it, or a text with fields."""
    match parameter.kind:
        case Kind.INTEGER:
            plain: Schema = {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
        case Kind.CHOICE | Kind.FONT:
            numbers = [int(choice) for choice in parameter.choices if choice.isdecimal()]
            plain = {"enum": [*parameter.choices, *numbers]}
        case Kind.COLOR:  # 000000 is a number in YAML
            plain = {"type": ["string", "number"], "pattern": "^[0-9A-Fa-f]{6}$"}
        case Kind.TEXT | Kind.OBJECT:
            return {"type": _TEXT, "minLength": 1}
    return {"anyOf": [plain, {"type": "string", "pattern": r"\{" if parameter.kind != Kind.INTEGER else r"\{|^-?\d+$"}]}


def _described(node: Schema, description: str) -> Schema:
    return {"description": description} | {key: value for key, value in node.items() if key != "title"}


def _log_table() -> dict[str, str]:
    """What the documentation of the results log says of each field."""
    text = (DIRECTORY.parent / "results-log.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \|$", text.partition("## A line")[2].partition("## ")[0], re.MULTILINE)
    return {name: meaning for cell, meaning in rows for name in re.findall("`([^`]+)`", cell)}

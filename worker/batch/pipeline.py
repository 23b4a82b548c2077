"""Pipelines: a recipe and where its results go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict

from worker.batch import recipe
from worker.batch.document import Path, Place
from worker.batch.findings import GIVEN, Findings, MendableError, check_bucket, checked, shown
from worker.batch.location import check_endpoint, check_region
from worker.batch.selection import SourceObject
from worker.batch.template import (
    FORMAT_FIELDS,
    BadValue,
    Fields,
    ProcessPart,
    ProcessTemplate,
    Template,
    TemplateError,
)
from worker.oss.endpoint import Site
from worker.oss.names import MAX_KEY_BYTES, ObjectRef

_NAME = re.compile(r"[a-z0-9-]{1,47}", re.ASCII)
_RECIPES = ("process", "style", "actions")
_SITE = ("endpoint", "region")
AUTO_REVISION = "auto"
Save = Literal["saveas", "relay"]
_Format = Annotated[Literal["jpg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif"] | None, GIVEN]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named recipe. `target_bucket` None is the bucket of the source; `revision` is empty where none is given.

    Of `auto` the revision is `style_revisions`, by source bucket, once the service was asked (`worker.batch.revision`).
    `output_format` is what the recipe sets, or what its style is said to put out; None keeps that of the source.
    `save` is how its results are saved; `site` where the target bucket is, None for where the settings say.
    `key_place` is where the target key stands in the manifest; `bucket_place` its bucket, or `target` without one.
    """

    place: Place
    name: str
    process: ProcessTemplate
    target_bucket: str | None
    target_key: Template
    key_place: Place
    bucket_place: Place
    output_format: str | None = None
    revision: str = ""
    style_revisions: Mapping[str, str] = field(default_factory=dict)
    save: Save = "saveas"
    site: Site | None = None

    @property
    def styles(self) -> frozenset[str]:
        """The names of the styles in its process."""
        return recipe.styles(self.process)

    def revision_for(self, bucket: str) -> str:
        """What stands for the recipe besides its process, for sources in a bucket."""
        return self.style_revisions[bucket] if self.revision == AUTO_REVISION else self.revision

    @property
    def columns(self) -> frozenset[str]:
        """The row columns it uses: rows that agree in them are one task."""
        return self.process.columns | self.target_key.columns

    def render(self, job: str, source: SourceObject) -> tuple[str, ObjectRef]:
        """The process, without saveas, and the target for a source.

        Raises:
            BadValue: The source, or its row, gives a value that must not be sent.
        """
        fields = self._fields(job, source)
        process = self.process.constant or self._process(fields)
        return process, ObjectRef(self.target_bucket or source.bucket, self.target_key.render(fields))

    def process_of(self, job: str, source: SourceObject) -> str:
        """The process for a source, without saveas; raises as `render` does."""
        return self.process.constant or self._process(self._fields(job, source))

    def _fields(self, job: str, source: SourceObject) -> Fields:
        return Fields(source.bucket, source.key, self.name, job, self.output_format, source.row or {})

    def _process(self, fields: Fields) -> str:
        process = self.process.render(fields)
        try:
            recipe.recheck(process)
        except MendableError as error:
            raise BadValue(f"{error.reason}: {error.mend}") from None
        return process


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise MendableError(f"{shown(name)} is no name of a pipeline", "use 1 to 47 of a-z, 0-9 and '-'")


def _template(text: str) -> Template:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        raise MendableError(error.reason, error.mend, error.offset) from None
    literals = [part for part in template.parts if isinstance(part, str)]
    if any("{" in literal or "}" in literal for literal in literals):
        raise MendableError("a target key cannot hold braces: OSS expands them in sys/saveas", "leave them out")
    if not text:
        raise MendableError("the target key is empty", 'write a template, as "thumbs/{key}"')
    if text.startswith(("/", "\\")):
        raise MendableError("no key begins with '/' or '\\'", "leave it out")
    if len("".join(literals).encode()) > MAX_KEY_BYTES:
        raise MendableError(f"no key is longer than {MAX_KEY_BYTES} bytes", "shorten it")
    return template


@dataclass(frozen=True, slots=True)
class _Target:
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")
    key: Annotated[str, checked(_template)]
    bucket: Annotated[Annotated[str, checked(check_bucket)] | None, GIVEN] = None
    endpoint: Annotated[Annotated[str, checked(check_endpoint)] | None, GIVEN] = None
    region: Annotated[Annotated[str, checked(check_region)] | None, GIVEN] = None


@dataclass(frozen=True, slots=True)
class _Pipeline:
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")
    name: Annotated[str, checked(_check_name)]
    target: _Target
    process: Annotated[Annotated[str, checked(recipe.from_process)] | None, GIVEN] = None
    style: Annotated[Annotated[str, checked(recipe.from_style)] | None, GIVEN] = None
    format: _Format = None
    actions: Annotated[tuple[Any, ...] | None, GIVEN] = None
    revision: Annotated[str | None, GIVEN] = None
    save: Save = "saveas"


def _site(target: _Target) -> Site | None:
    return Site(target.endpoint.rstrip("/"), target.region) if target.endpoint and target.region else None


@dataclass(frozen=True, slots=True)
class PipelineReader:
    """Reads the pipelines of a manifest."""

    findings: Findings

    def read(self) -> tuple[Pipeline, ...]:
        """All pipelines that are right; problems with the others go to the findings."""
        count = self.findings.length(("pipelines",))
        return tuple(found for index in range(count) if (found := self._pipeline(("pipelines", index))))

    def _pipeline(self, path: Path) -> Pipeline | None:
        self._check_recipes(path)
        shape = self.findings.check(_Pipeline, path)
        if shape is None:
            return None
        process, template = self._process(path, shape), _template(shape.target.key)
        if process is None:
            return None
        self._remark(path, shape, process)
        set_format = shape.format or recipe.set_format(process)
        unknown = template.names & FORMAT_FIELDS
        if unknown and set_format is None and recipe.has_style(process):
            reason = f"{{{min(unknown)}}}: nobody but the style knows what it puts out"
            mend = "use `style: NAME`, and say its output with `format: jpg`"
            self.findings.add((*path, "target", "key"), reason, mend)
        if shape.revision == AUTO_REVISION and not recipe.is_style(process):
            reason = "'auto' follows the content of a style, and this recipe is none"
            self.findings.add((*path, "revision"), reason, "leave it out: a changed recipe is redone by itself")
        self._check_site(path, shape)
        document = self.findings.document
        return Pipeline(
            document.place(path),
            shape.name,
            process,
            shape.target.bucket,
            template,
            document.place((*path, "target", "key")),
            document.place((*path, "target", "bucket")),
            set_format,
            shape.revision or "",
            save=shape.save,
            site=_site(shape.target),
        )

    def _check_site(self, path: Path, shape: _Pipeline) -> None:
        """An endpoint goes with a region, a bucket and a relay: saveas stays within the region of its source."""
        target, where = shape.target, [name for name in _SITE if getattr(shape.target, name)]
        if not where:
            return
        if shape.save != "relay":
            reason = f"{where[0]!r}: sys/saveas saves within the region of the source only"
            self.findings.add((*path, "target", where[0]), reason, "set `save: relay`, or leave it out", key=True)
        elif len(where) < len(_SITE):
            other = next(name for name in _SITE if name not in where)
            reason = f"{where[0]!r} needs {other!r} beside it: the one is where to send, the other what signatures name"
            self.findings.add((*path, "target", where[0]), reason, f"add `{other}: ...`", key=True)
        elif target.bucket is None:
            reason = "a bucket is at one endpoint, and the source's own is at that of the settings"
            self.findings.add((*path, "target", "endpoint"), reason, "add `bucket: ...`", key=True)

    def _check_recipes(self, path: Path) -> None:
        names = self.findings.keys(path)
        recipes = [name for name in names if name in _RECIPES]
        if len(recipes) > 1:
            reason = f"a pipeline has one recipe, this one has {' and '.join(map(repr, recipes))}"
            self.findings.add((*path, recipes[1]), reason, "make a pipeline of each", key=True)
        elif names and not recipes:
            self.findings.add(path, "this pipeline has no recipe", f"give it one of: {', '.join(_RECIPES)}")
        if "format" in names and "style" not in names:
            mend = "end the recipe with the action `format`"
            self.findings.add((*path, "format"), "'format' says what a style puts out", mend, key=True)

    def _process(self, path: Path, shape: _Pipeline) -> ProcessTemplate | None:
        if shape.process is not None:
            return recipe.from_process(shape.process)
        if shape.style is not None:
            return recipe.from_style(shape.style)
        if shape.actions is not None:
            return self._actions((*path, "actions"), shape.actions)
        return None

    def _remark(self, path: Path, shape: _Pipeline, process: ProcessTemplate) -> None:
        """Pass on what is odd about a recipe, each at its action."""
        # Offsets are told only where the text is the process itself.
        offsets = recipe.offsets(shape.process) if shape.process and shape.process == process.constant else None
        for remark in recipe.remarks_on(process):
            at: Path = (*path, "actions", remark.step) if shape.actions else (*path, "process")
            offset = offsets[remark.step] if offsets else 0
            if remark.refused:
                self.findings.add(at, remark.reason, remark.mend, offset=offset)
            else:
                self.findings.advise(at, remark.reason, remark.mend, offset=offset)

    def _actions(self, path: Path, items: tuple[Any, ...]) -> ProcessTemplate | None:
        if not items:
            self.findings.add(path, "the list of actions is empty", "add an action, as `- resize: {w: 100}`")
        actions = [self._action((*path, index), item) for index, item in enumerate(items)]
        sound = [action for action in actions if action]
        if not sound or len(sound) < len(items):
            return None
        try:
            return recipe.from_actions(sound)
        except MendableError as error:
            self.findings.add(path, error.reason, error.mend)
            return None

    def _action(self, path: Path, item: Any) -> tuple[ProcessPart, ...] | None:
        if not isinstance(item, dict) or len(item) != 1:
            self.findings.add(path, "an action is one name and its values", "write `- resize: {w: 100, h: 100}`")
            return None
        ((name, parameters),) = item.items()
        values = parameters.values() if isinstance(parameters, dict) else [parameters]
        if not all(isinstance(value, str) for value in values):
            self.findings.add((*path, name), f"{name}: a value that is no text", "write one text for each parameter")
            return None
        try:
            return recipe.from_action(name, parameters)
        except recipe.PartError as error:
            at = (*path, name, error.parameter) if error.parameter else (*path, name)
            self.findings.add(at, error.reason, error.mend, key=error.is_name, offset=error.offset)
            return None

"""Watermark images: fetched from the bucket of the source, and prepared by a process of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from worker.emulator import refusals
from worker.emulator.images import weight
from worker.emulator.images.decoding import check_limits, inspect
from worker.emulator.images.drawing import still
from worker.emulator.images.formats import format_of
from worker.emulator.images.geometry import Size, percent_of
from worker.emulator.images.libvips import Error, Image
from worker.emulator.images.steps import Context
from worker.oss import actions as table
from worker.oss.limits import MAX_RESULT_PIXELS  # watermark images are held to it as well
from worker.oss.process import Action

# Source: OSS, "Add watermarks": the formats of watermark images.
_FORMATS = frozenset({"jpg", "png", "bmp", "webp", "tiff"})
# The bytes of an object of the source's bucket.
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Overlays:
    """Called for each watermark with its values and the size of the main picture; each is prepared once."""

    fetch: Fetch
    reserve: weight.Reserve
    prepared: dict[tuple[str, str, Size], Image] = field(default_factory=dict)

    def __call__(self, values: Mapping[str, str], main: Size) -> Image:
        """The watermark image, ready to be laid over.

        Raises:
            RefusedError: It does not exist, is no picture, or is damaged or too large.
        """
        name = (values["image"], values.get("P", ""), main)
        if name not in self.prepared:
            self.prepared[name] = self._prepare(values, main)
        return self.prepared[name]

    def _prepare(self, values: Mapping[str, str], main: Size) -> Image:
        key, actions = table.watermark_image(values["image"])
        if "P" in values:
            actions = (*actions, Action("resize", (("P", values["P"]),)))
        data = self.fetch(key)
        found = format_of(data)
        if found is None or found.name not in _FORMATS:
            raise refusals.watermark_error("The format of the watermark image is not supported.", "0040-00000027")
        source = inspect(data)
        check_limits(source)
        self.reserve(weight.of_source(source.header, source.format.name))
        steps = [_sized(action, main) for action in actions]
        try:
            image = still(source, steps, Context(source.format.name, self, self.reserve), oriented=True)
            if image.width * image.height > MAX_RESULT_PIXELS:
                raise refusals.not_implemented(f"watermark images of more than {MAX_RESULT_PIXELS:,} pixels")
            self.reserve(weight.of_turning(image.width, image.height))
            # In memory, for it is read out of order, and what is broken in it is found here.
            return image.copy_memory()
        except Error:
            raise refusals.damaged_picture(source.format.name) from None


def _sized(action: Action, main: Size) -> Action:
    """The action, with P replaced by the box it stands for: that many percent of the main picture's sides."""
    values = table.values(action)
    if action.name != "resize" or "P" not in values:
        return action
    box = percent_of(main, int(values["P"]))
    return table.complete(Action("resize", (("w", str(box.width)), ("h", str(box.height)), ("limit", "0"))))

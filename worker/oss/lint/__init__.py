"""What is odd about a process whose actions are right one by one: parts without effect, a strange order, limits."""

from collections.abc import Iterator, Sequence

from worker.oss.limits import MAX_WATERMARK_IMAGES
from worker.oss.lint.effect import without_effect
from worker.oss.lint.order import out_of_order
from worker.oss.lint.remark import Remark, Step
from worker.oss.lint.size import out_of_size
from worker.oss.process import MAX_PIPES, Action, Image, Processor

__all__ = ["Remark", "remarks"]


def remarks(processors: Sequence[Processor]) -> list[Remark]:
    """All remarks on a process without `sys/saveas`, by step: its actions and styles, counted from 0."""
    steps = [Step.of(number, part) for number, part in enumerate(_parts(processors))]
    found = [*_pipes(processors), *_watermark_images(steps)]
    for step in steps:
        found += without_effect(step)
    if all(step.name for step in steps):  # what a style does, only its author knows
        found += [*out_of_order(steps), *out_of_size(steps)]
    return sorted(found, key=lambda remark: remark.step)


def _parts(processors: Sequence[Processor]) -> Iterator[Action | Processor]:
    for processor in processors:
        if isinstance(processor, Image):
            yield from processor.actions
        else:
            yield processor


def _pipes(processors: Sequence[Processor]) -> Iterator[Remark]:
    pipes = len(processors) - 1
    if pipes < MAX_PIPES:
        return
    step = sum(len(processor.actions) if isinstance(processor, Image) else 1 for processor in processors[:MAX_PIPES])
    mend = "join what is image processes, as in image/resize,w_100/format,webp"
    if pipes > MAX_PIPES:
        yield Remark(step, f"{pipes} pipes: the service takes {MAX_PIPES} (0040-00000211)", mend, refused=True)
    else:
        yield Remark(step, f"{pipes} pipes: the service takes {MAX_PIPES}, and may count that of sys/saveas", mend)


def _watermark_images(steps: Sequence[Step]) -> Iterator[Remark]:
    seen: set[str] = set()
    for step in steps:
        image = step.values.get("image") if step.name == "watermark" else None
        if image is None or image in seen:
            continue
        seen.add(image)
        if len(seen) == MAX_WATERMARK_IMAGES + 1:
            reason = f"a process has at most {MAX_WATERMARK_IMAGES} different watermark images (0040-00000026)"
            yield Remark(step.number, reason, "join some of them into one image", refused=True)

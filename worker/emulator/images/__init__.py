"""Picture processing with libvips: decoding, the actions, encoding."""

from worker.emulator.images.overlay import Fetch
from worker.emulator.images.rendering import MAX_SOURCE, Rendered, check, render, source_limit

__all__ = ["MAX_SOURCE", "Fetch", "Rendered", "check", "render", "source_limit"]

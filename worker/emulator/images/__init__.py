"""Picture processing with libvips: decoding, the actions, encoding."""

from worker.emulator.images.rendering import Rendered, check, render, source_limit

__all__ = ["Rendered", "check", "render", "source_limit"]

"""libvips, set up for a server: pictures run side by side, one thread each, and none is remembered."""

import logging

import pyvips

pyvips.cache_set_max(0)  # a source is processed once; what is remembered would only take memory
pyvips.concurrency_set(1)  # many pictures at once use all cores better than one picture on many
pyvips.block_untrusted_set(True)  # noqa: FBT003 - loaders that libvips does not trust with hostile files
logging.getLogger("pyvips").setLevel(logging.ERROR)  # what is wrong with a source is told to who sent it

Image = pyvips.Image
Error = pyvips.Error
Interpolate = pyvips.Interpolate
GValue = pyvips.GValue

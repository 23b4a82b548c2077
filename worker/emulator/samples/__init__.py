"""Sample pictures, painted by this program: something to try a recipe on before there are pictures of one's own."""

from worker.emulator.samples.making import make_samples

__all__ = ["make_samples"]

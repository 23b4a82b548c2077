"""The answer of `image/average-hue`.

Source: OSS, FAQ of image processing, for the way of computing it; a recorded answer for what the FAQ leaves open.
"""

from collections.abc import Callable

from worker.emulator.images.libvips import Image

_WINDOW = 45  # degrees; with 45 to 48 the recorded answer comes out exactly


def average_hue(read: Callable[[], Image]) -> bytes:
    """The mean colour of the pixels whose hue is near the mean hue, as JSON.

    The picture is read anew for each pass, so that it is never in memory as a whole. Where no pixel is near the mean
    (of two hues that lie far apart) the answer is the mean of all, which is a guess.
    """
    mean_hue = _hue(_colors(read())).avg() // 1
    colors = _colors(read())
    near = (_hue(colors) - mean_hue).abs() < _WINDOW
    everything = colors.bandjoin([near.ifthenelse(colors, 0), near])
    # Row 0 of the statistics is of all bands together; column 4 has the means.
    means = [row[4] for row in everything.stats().tolist()[1:]]
    share = means[6] / 255
    chosen = [mean / share for mean in means[3:6]] if share else means[:3]
    # A mean that is whole may have lost its last bit in the division.
    text = "".join(f"{int(mean + 1e-6):02x}" for mean in chosen)
    return f'{{"RGB": "0x{text}"}}'.encode()


def _colors(image: Image) -> Image:
    colors = image if image.interpretation == "srgb" else image.colourspace("srgb")
    return colors.flatten(background=255) if colors.hasalpha() else colors


def _hue(colors: Image) -> Image:
    """The hue of every pixel in degrees, 0 for grey."""
    red, green, blue = (colors.extract_band(band).cast("float") for band in range(3))
    bands = [red, green, blue]
    most, least = red.bandrank(bands[1:], index=2), red.bandrank(bands[1:], index=0)
    span = most - least
    safe = (span == 0).ifthenelse(1, span)
    of_red = (green - blue) / safe * 60
    of_red = (of_red < 0).ifthenelse(of_red + 360, of_red)
    of_green = (blue - red) / safe * 60 + 120
    of_blue = (red - green) / safe * 60 + 240
    hue = (most == red).ifthenelse(of_red, (most == green).ifthenelse(of_green, of_blue))
    return (span == 0).ifthenelse(0, hue)

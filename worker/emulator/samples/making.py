"""Which sample pictures there are, and putting them into a store."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from worker.emulator.images.libvips import GValue, Image
from worker.emulator.samples import scenes
from worker.emulator.samples.painting import bounded, canvas, finished, glow, gradient, inside, mix
from worker.emulator.sidecar import content_type
from worker.emulator.store import Store, put

SOURCES, TARGETS = "photos", "renditions"


def make_samples(store: Store) -> None:
    """Make the bucket of sample pictures and an empty one for what is made of them, each unless it is there."""
    if store.bucket(TARGETS) is None:
        store.make_bucket(TARGETS)
    if store.bucket(SOURCES) is not None:
        return
    with ThreadPoolExecutor() as painters:
        painted = dict(zip(SAMPLES, painters.map(lambda paint: paint(), SAMPLES.values()), strict=True))
    store.make_bucket(SOURCES)
    for key, picture in painted.items():
        put(store, SOURCES, key, picture, {"content-type": content_type(key)})


def _jpeg(picture: Image, quality: int = 90) -> bytes:
    return bytes(picture.jpegsave_buffer(Q=quality, optimize_coding=True))


def _phone_photo() -> bytes:
    """12 megapixels as of a phone held upright: lying on the side, with an orientation that says so."""
    upright = scenes.sunset(600, 800).resize(5, kernel="linear")
    stored = upright.copy_memory().rot270().copy()
    stored.set_type(GValue.gint_type, "orientation", 6)
    return _jpeg(stored, 88)


def _balloon() -> bytes:
    """A balloon on nothing: a picture with an alpha channel."""
    at = canvas(720, 960)
    away = at.distance(0.5, 0.5, 0.86)
    skin = gradient(at.distance(0.38, 0.34), [(0, (255, 190, 180)), (0.16, (240, 70, 72)), (0.6, (120, 8, 40))])
    knot = inside((at.x - 0.5).abs(), (at.y - 0.885) * 0.9) * inside(at.y, 0.925, 0.003)
    string = inside((at.x - 0.5).abs(), 0.0025) * inside((at.y - 1.08).abs(), 0.16) * 0.7
    alpha = mix(mix(mix((0,), (200,), string), (255,), knot), (255,), inside(away, 0.385))
    colors = mix(mix(at.fill((90, 80, 90)), (150, 16, 48), knot), skin, inside(away, 0.385))
    return bytes(finished(colors).bandjoin(alpha).pngsave_buffer(filter="all"))


def _orbit() -> bytes:
    """Two balls around a sun, as an animation."""
    at, count = canvas(320, 240), 12
    sky = gradient(at.distance(0.5, 0.375), [(0, (40, 44, 92)), (0.6, (10, 10, 30))])
    sky = mix(sky, (255, 214, 120), glow(at.distance(0.5, 0.375), 0.05)).copy_memory()
    frames = []
    for index in range(count):
        scene = sky
        for radius, size, turns, color in ((0.17, 0.022, 2, (90, 190, 255)), (0.3, 0.032, 1, (255, 110, 120))):
            angle = math.tau * turns * index / count
            x, y = 0.5 + radius * math.cos(angle), 0.375 + 0.8 * radius * math.sin(angle)
            scene = mix(scene, color, inside(at.distance(x, y), size, 0.006))
        frames.append(finished(scene))
    strip = Image.arrayjoin(frames, across=1).copy()
    strip.set_type(GValue.gint_type, "page-height", 240)
    strip.set_type(GValue.array_int_type, "delay", [90] * count)
    return bytes(strip.gifsave_buffer(effort=2))


def _logo() -> bytes:
    """A mark to lay over pictures: a sun over two hills in a ring, white on nothing."""
    at = canvas(360, 360)
    away = at.distance(0.5, 0.5)
    ring = inside((away - 0.45).abs(), 0.026)
    sun = inside(at.distance(0.62, 0.36), 0.085)
    hills = [
        inside((at.x - x).abs() * slope - (at.y - top), 0.0) for x, top, slope in ((0.36, 0.34, 1.5), (0.64, 0.5, 1.2))
    ]
    gap = inside((at.x - 0.36).abs() * 1.5 - (at.y - 0.34), 0.05)
    below = inside(away, 0.395) * inside(at.y, 0.74)
    mark = bounded(hills[0] + hills[1] * (gap * -1 + 1)) * below
    alpha = bounded(ring + mark + sun)
    return bytes(finished(at.fill((255, 255, 255)).bandjoin(alpha * 255)).pngsave_buffer(filter="all"))


SAMPLES: dict[str, Callable[[], bytes]] = {
    "landscapes/sunset over the sea.jpg": _phone_photo,
    "landscapes/雪山.jpg": lambda: _jpeg(scenes.mountains(1280, 853)),
    "landscapes/night sky.jpg": lambda: _jpeg(scenes.night(1200, 800)),
    "art/still life.jpg": lambda: _jpeg(scenes.still_life(960, 720), 82),
    "art/waves.webp": lambda: bytes(scenes.waves(1080, 720).webpsave_buffer(Q=85)),
    "art/fractal.png": lambda: bytes(scenes.fractal(660, 440).pngsave_buffer(filter="all")),
    "art/portrait.jpg": lambda: _jpeg(scenes.portrait(800, 960)),
    "art/gradient mesh.jpg": lambda: _jpeg(scenes.mesh(1024, 768)),
    "art/orbit.gif": _orbit,
    "brand/logo.png": _logo,
    "products/2026/mug.jpg": lambda: _jpeg(scenes.mug(960, 960), 92),
    "products/2026/balloon.png": _balloon,
    "products/2026/sales chart.png": lambda: bytes(scenes.chart(1000, 640).pngsave_buffer(filter="all")),
}

"""Ten scenes, each painted from a few sums; the same on every machine."""

import random

from worker.emulator.images.libvips import Image
from worker.emulator.samples.painting import (
    Canvas,
    bounded,
    canvas,
    finished,
    glow,
    gradient,
    inside,
    mix,
    smooth,
    wave,
)


def sunset(width: int, height: int) -> Image:
    """The sun going down over the sea, between two headlands."""
    at = canvas(width, height)
    horizon, sun_x = at.tall * 0.6, 0.56
    sky = gradient(
        at.y / horizon, [(0, (38, 30, 82)), (0.45, (142, 64, 112)), (0.8, (244, 132, 82)), (1.02, (255, 208, 120))]
    )
    clouds = smooth(at.noise(0.09, 11, 4) * 1.4 - at.y * 0.5)
    sky = mix(sky, (255, 176, 132), clouds * 0.55)
    sun = at.distance(sun_x, horizon - 0.055)
    sky = mix(sky, (255, 226, 150), glow(sun, 0.11) * 0.9)
    sky = mix(sky, (255, 246, 214), inside(sun, 0.052, 0.004))
    depth = (at.y - horizon) / (at.tall - horizon)
    sea = gradient(depth, [(0, (232, 138, 96)), (0.3, (122, 72, 108)), (1, (24, 26, 62))])
    path = glow((at.x - sun_x).abs(), 0.07) * (at.noise(0.018, 5, 9) + 0.55)
    sea = mix(sea, (255, 214, 140), path)
    scene = mix(sky, sea, inside(at.y * -1 + horizon, 0))
    for base, size, seed, color in ((0.56, 0.05, 3, (74, 44, 84)), (0.6, 0.045, 8, (34, 24, 52))):
        line = at.ridge(at.tall * base, size, seed) + glow((at.x - sun_x).abs(), 0.25) * 0.09
        land = inside(at.y * -1 + line, 0, 0.003) * inside(at.y, horizon, 0.002)
        scene = mix(scene, color, land)
    return finished(scene)


def mountains(width: int, height: int) -> Image:
    """Ranges of mountains, paler with distance, the far one under snow."""
    at = canvas(width, height)
    tall = at.tall
    scene = gradient(at.y / tall, [(0, (86, 142, 204)), (0.6, (206, 226, 240)), (1, (240, 236, 222))])
    scene = mix(scene, (255, 255, 255), smooth(at.noise(0.1, 21, 3) * 1.3 - at.y * 0.6 + 0.1) * 0.8)
    far = at.ridge(tall * 0.42, 0.1, 4)
    rock = mix((118, 132, 158), (92, 104, 134), bounded(at.noise(0.012, 9, 0.4) * 0.7 + 0.5))
    snow = smooth((far + 0.09 + at.noise(0.02, 2) * 0.05 - at.y) / 0.05)
    scene = mix(scene, mix(rock, (250, 252, 255), snow), inside(far - at.y, 0, 0.003))
    ranges = ((0.6, 0.06, 14, (104, 134, 142)), (0.72, 0.05, 27, (62, 100, 98)), (0.85, 0.035, 33, (28, 62, 58)))
    for base, size, seed, color in ranges:
        line = at.ridge(tall * base, size, seed, waves=10)
        mist = smooth((at.y - line) / 0.16) * 0.5
        scene = mix(scene, mix(color, (206, 220, 222), mist), inside(line - at.y, 0, 0.003))
    return finished(scene)


def still_life(width: int, height: int) -> Image:
    """Three polished balls on a chequered floor."""
    at = canvas(width, height)
    horizon = at.tall * 0.42
    depth = 0.16 / (at.y - horizon).clamp(min=0.004)
    across = (at.x - 0.5) * depth * 9
    squares = ((across.floor() + (depth * 5).floor()) % 2).ifthenelse(1.0, 0.0)
    floor = mix(mix((60, 46, 44), (232, 220, 200), squares), (150, 140, 140), smooth(depth / 5))
    wall = gradient(at.distance(0.3, 0.1), [(0, (196, 178, 160)), (1.1, (72, 62, 74))])
    scene = mix(wall, floor, inside(at.y * -1 + horizon, 0, 0.002))
    balls = ((0.3, 0.47, 0.14, (206, 52, 44)), (0.66, 0.44, 0.11, (40, 110, 190)), (0.52, 0.6, 0.085, (236, 180, 44)))
    for x, y, radius, color in balls:
        shadow = glow((at.distance(x + radius * 0.5, y + radius * 0.98, 3.2) - radius * 0.1).clamp(min=0), radius * 0.3)
        scene = mix(scene, (14, 10, 16), shadow * 0.75)
        scene = _ball(at, scene, x, y, radius, color)
    return finished(scene)


def _ball(at: Canvas, scene: Image, x: float, y: float, radius: float, color: tuple[int, int, int]) -> Image:
    across, down = (at.x - x) / radius, (at.y - y) / radius
    toward = (across * across * -1 - down * down + 1).clamp(min=0) ** 0.5
    light = across * -0.5 - down * 0.62 + toward * 0.6
    dark, bright = [part * 0.22 for part in color], [part + (255 - part) * 0.25 for part in color]
    shaded = gradient(light, [(-0.5, dark), (0.25, color), (1, bright)])
    shaded = mix(shaded, (255, 250, 240), bounded(light) ** 40)
    return mix(scene, shaded, inside(at.distance(x, y), radius))


def night(width: int, height: int) -> Image:
    """The Milky Way and the moon over a forest."""
    at = canvas(width, height)
    scene = gradient(at.y / at.tall, [(0, (6, 8, 28)), (0.7, (22, 34, 74)), (1, (60, 70, 110))])
    band = glow(((at.x * 0.8 - at.y + 0.02) * 0.78).abs(), 0.13)
    clouds = bounded(at.noise(0.12, 41) * 0.6 + at.noise(0.03, 42) * 0.5 + 0.45)
    scene = mix(scene, (170, 150, 200), band * clouds * 0.75)
    for size, seed, rare in ((1, 7, 3.0), (2, 8, 3.4)):
        grain = Image.gaussnoise(width // size, height // size, mean=0, sigma=1, seed=seed).resize(
            size, kernel="linear"
        )
        scene = mix(scene, (255, 250, 236), bounded((grain + band * 0.4 - rare) / 0.7))
    moon = at.distance(0.78, 0.16)
    scene = mix(scene, (214, 222, 250), glow(moon, 0.07) * 0.55)
    scene = mix(scene, mix((240, 238, 224), (198, 198, 200), bounded(at.noise(0.03, 3) + 0.2)), inside(moon, 0.05))
    line = at.ridge(at.tall * 0.87, 0.02, 5, waves=5) + at.ridge(0, 0.012, 9, waves=3)
    teeth = ((at.x * 46) % 1 - 0.5).abs() * 0.07 * (at.ridge(1, 0.5, 2, waves=6).abs() + 0.3)
    scene = mix(scene, (5, 9, 16), inside(line - 0.04 + teeth - at.y, 0, 0.002))
    return finished(scene)


def waves(width: int, height: int) -> Image:
    """Waves of paper, one before the other."""
    at = canvas(width, height)
    scene = gradient(at.y / at.tall, [(0, (252, 238, 214)), (1, (250, 214, 180))])
    scene = mix(scene, (244, 120, 86), inside(at.distance(0.72, at.tall * 0.24), 0.11))
    count = 7
    for index in range(count):
        share = index / (count - 1)
        color = [first + (last - first) * share for first, last in zip((150, 206, 204), (14, 52, 92), strict=True)]
        swell = wave(at.x * (9 + index) + index * 1.9) + wave(at.x * 4.3 - index)
        line = swell * 0.03 + at.tall * (0.34 + 0.1 * index)
        shadow = glow((line - at.y).clamp(min=0), 0.014) * 0.35
        scene = mix(mix(scene, (20, 40, 70), shadow), color, inside(line - at.y, 0, 0.0025))
    return finished(scene)


def fractal(width: int, height: int) -> Image:
    """A Julia set, coloured by how soon its points escape."""
    at = canvas(width, height)
    real, imaginary = (at.x - 0.5) * 3.1, (at.y - at.tall / 2) * 3.1
    escaped = at.x * 0
    for _ in range(40):
        square_real, square_imaginary = real * real, imaginary * imaginary
        imaginary = (real * imaginary * 2 + 0.156).clamp(min=-1e6, max=1e6)
        real = (square_real - square_imaginary - 0.8).clamp(min=-1e6, max=1e6)
        escaped += ((square_real + square_imaginary) < 4).ifthenelse(1.0, 0.0)
    stops = [(0, (10, 8, 40)), (0.15, (36, 40, 130)), (0.3, (20, 140, 180)), (0.5, (250, 220, 130))]
    return finished(gradient(escaped / 40, [*stops, (0.75, (240, 90, 60)), (1, (40, 6, 40))]))


def portrait(width: int, height: int) -> Image:
    """A face made of discs and arcs, in the manner of a poster."""
    at = canvas(width, height)
    scene = gradient(at.x * 0.5 + at.y * 0.6, [(0, (248, 196, 160)), (0.5, (238, 140, 132)), (1.1, (96, 72, 138))])
    scene = mix(scene, (252, 226, 180), inside(at.distance(0.5, 0.52), 0.4))
    scene = mix(scene, (42, 34, 66), inside(at.distance(0.5, 0.5, 0.86), 0.31))  # hair
    neck = inside((at.x - 0.5).abs(), 0.085) * inside(at.y, at.tall - 0.1, 0.004) * inside(at.y * -1 + 0.6, 0)
    scene = mix(scene, (206, 128, 98), neck)
    scene = mix(scene, (34, 104, 120), inside(at.distance(0.5, at.tall + 0.08, 1.5), 0.31))  # shoulders
    face = at.distance(0.5, 0.54, 0.8)
    skin = mix((240, 178, 138), (216, 138, 108), smooth((at.x - 0.46) / 0.1))
    scene = mix(scene, skin, inside(face, 0.235))
    scene = mix(scene, (42, 34, 66), inside(at.distance(0.37, 0.28, 1.5), 0.14) * inside(at.y, 0.43, 0.003))  # fringe
    for x in (0.415, 0.585):
        scene = mix(scene, (252, 248, 240), inside(at.distance(x, 0.53, 1.7), 0.021))
        scene = mix(scene, (34, 60, 80), inside(at.distance(x, 0.53), 0.019))
        brow = at.distance(x, 0.53, 1.15)
        scene = mix(scene, (42, 34, 66), inside((brow - 0.058).abs(), 0.007) * inside(at.y, 0.497, 0.004))
        scene = mix(scene, (236, 118, 104), inside(at.distance(x + (x - 0.5) * 0.35, 0.62), 0.03, 0.03) * 0.6)
    nose = inside((at.distance(0.47, 0.56) - 0.055).abs(), 0.005) * inside(at.x * -1 + 0.505, 0, 0.004)
    scene = mix(scene, (176, 96, 82), nose * inside(at.y * -1 + 0.55, 0, 0.003))
    scene = mix(scene, (186, 44, 62), inside(at.distance(0.5, 0.665, 2.4), 0.02))
    return finished(mix(scene, (240, 190, 60), inside((at.distance(0.285, 0.66) - 0.03).abs(), 0.006)))


def mug(width: int, height: int) -> Image:
    """A glazed mug on white ground, as a shop shows it."""
    at = canvas(width, height)
    scene = gradient(at.distance(0.47, at.tall * 0.5), [(0.2, (255, 255, 255)), (0.8, (240, 240, 242))])
    left, right, top, bottom = 0.27, 0.63, 0.3, 0.76
    middle, half = (left + right) / 2, (right - left) / 2
    scene = mix(
        scene, (120, 120, 132), glow((at.distance(middle + 0.03, bottom + 0.012, 4.5) - 0.055).clamp(min=0), 0.02) * 0.6
    )
    ring = (at.distance(right + 0.005, 0.5, 0.86) - 0.115).abs()
    shade = mix((46, 138, 146), (14, 70, 84), smooth((at.y - 0.36) / 0.3))
    scene = mix(scene, shade, inside(ring, 0.026))
    across = (at.x - middle) / half
    round_off = (across * across * -1 + 1).clamp(min=0) ** 0.5 * 0.05
    body = inside(across.abs(), 1, 0.006) * inside(at.y, round_off + bottom, 0.003) * inside(at.y * -1 + top, 0, 0.003)
    tone = [(-1, (16, 84, 98)), (-0.55, (86, 190, 194)), (-0.35, (112, 212, 212)), (0.2, (44, 146, 154))]
    glaze = gradient(across, [*tone, (1, (10, 60, 76))])
    glaze = mix(glaze, (244, 232, 208), inside((at.y - 0.5 - round_off).abs(), 0.055))
    glaze = mix(
        glaze, (150, 132, 110), inside((at.y - 0.5 - round_off).abs(), 0.055) * smooth((across - 0.1) / 1.2) * 0.7
    )
    scene = mix(scene, glaze, body)
    mouth = at.distance(middle, top, half / 0.05)
    scene = mix(scene, (170, 224, 224), inside(mouth, 0.05, 0.001))
    scene = mix(scene, (20, 66, 76), inside(at.distance(middle, top + 0.003, half / 0.052), 0.045, 0.001))
    return finished(mix(scene, (84, 50, 32), inside(at.distance(middle, top + 0.016, half / 0.046), 0.034, 0.001)))


def chart(width: int, height: int) -> Image:
    """Bars and a line, twelve months of something that grows."""
    at = canvas(width, height)
    low, high, first, pitch = at.tall * 0.9, at.tall * 0.12, 0.11, 0.0727
    chance = random.Random(12)  # noqa: S311 - made-up figures, the same every time
    tops = [low - (low - high) * (0.25 + 0.05 * month + chance.uniform(-0.07, 0.07)) for month in range(12)]
    targets = [top - 0.03 - chance.uniform(0, 0.05) for top in tops]

    def month_at(x: float) -> int:
        return min(max(round((x - first) / pitch), 0), 11)

    def target_at(x: float) -> float:
        begin = min(max(int((x - first) / pitch), 0), 10)
        return targets[begin] + (targets[begin + 1] - targets[begin]) * ((x - first) / pitch - begin)

    within = inside((at.x - 0.51).abs(), 0.43)
    rule = ((at.y - low) * (5 / (high - low)) + 0.5) % 1 - 0.5
    between = within * inside((at.y - (low + high) / 2).abs(), (low - high) / 2 + 0.002)
    scene = mix(at.fill((250, 251, 253)), (222, 226, 234), inside(rule.abs(), 0.008, 0.01) * between)
    middle = at.curve(lambda x: first + pitch * month_at(x))
    bar = inside((at.x - middle).abs(), 0.022) * inside(at.curve(lambda x: tops[month_at(x)]) - at.y, 0)
    blue = gradient((at.y - high) / (low - high), [(0, (42, 96, 220)), (1, (126, 190, 250))])
    scene = mix(scene, blue, bar * inside(at.y, low))
    along = inside((at.x - (first + pitch * 5.5)).abs(), pitch * 5.5)
    scene = mix(scene, (244, 122, 60), inside((at.curve(target_at) - at.y).abs(), 0.0035) * along)
    dot = (at.x - middle).complexform(at.y - at.curve(lambda x: targets[month_at(x)])).abs()
    return finished(mix(mix(scene, (244, 122, 60), inside(dot, 0.009)), (255, 255, 255), inside(dot, 0.005)))


def mesh(width: int, height: int) -> Image:
    """Colours that flow into one another."""
    at = canvas(width, height)
    x = at.x + wave(at.y * 5.2) * 0.09 + at.noise(0.3, 51) * 0.06
    y = at.y + wave(at.x * 4.4 + 1) * 0.09 + at.noise(0.3, 52) * 0.06
    spots = (
        (0.12, 0.1, (255, 94, 98)),
        (0.85, 0.12, (255, 195, 113)),
        (0.5, 0.36, (186, 104, 240)),
        (0.15, 0.62, (54, 120, 246)),
        (0.88, 0.58, (38, 208, 206)),
    )
    total, colors = at.x * 0, at.fill((0, 0, 0)).cast("float")
    for spot_x, spot_y, color in spots:
        weight = 1 / ((x - spot_x).complexform(y - spot_y).abs() + 0.09) ** 3.2
        total, colors = total + weight, colors + weight * list(color)
    return finished(colors / total)

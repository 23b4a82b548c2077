"""Random process strings from a seed: of the table of actions, then some of them spoiled by slips of the hand."""

from collections.abc import Callable, Mapping
from random import Random

from worker.oss.action_table import ACTIONS, WATERMARK_ACTIONS
from worker.oss.encoding import to_base64
from worker.oss.parameter import ActionSpec, Kind, Parameter

MARKS = ("mark.png", "half.png", "mark.bmp", "text.txt", "broken.jpg", "missing", "small.gif", "dir/标 1.jpg")
TEXTS = ("Sale", "█", "a b\nc", "照片", "\U0001f600", " ", "W" * 64, "x" * 65, "<b>&", "e\u0301", "\u202eabc")
SIGNS = ",/|_=?&%+\0\n\\'\"<>;: ~*.-0AzÄ照\ufffd\U0001f600"
NUMBERS = ("0", "-1", "-0", "00", "1.5", "1e3", "٣", "²", "999999999", "9" * 400, "", " 1", "0x10", "--1", "nan")
ENDINGS = (
    f"|sys/saveas,o_{to_base64('out/random')}",
    f"|sys/saveas,o_{to_base64('out/random')},b_{to_base64('photos')}",
    f"|sys/saveas,o_{to_base64('x')},b_{to_base64('no-such-bucket')}",
    f"|sys/saveas,o_{to_base64('/../../etc')}",
    f"|sys/saveas,o_{to_base64('{key}')}",
    "|sys/saveas,o_*",
    "|sys/saveas",
    f"|sys/saveas,o_{to_base64('x')}|image/rotate,90",
)
SPOILED = 0.3
_PICTURES = {name: spec for name, spec in ACTIONS.items() if spec.picture}


def random_process(random: Random) -> str:
    """A process string. About half of them make a picture."""
    process = "|".join(_processor(random) for _ in range(random.choices((1, 2, 3, 7), (8, 3, 2, 1))[0]))
    if random.random() < 0.2:
        process += random.choice(ENDINGS[:2] * 5 + ENDINGS)
    if random.random() < SPOILED:
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            process = random.choice(_MUTATIONS)(random, process)
    return process


def _processor(random: Random) -> str:
    if random.random() < 0.05:
        return random.choice(("style/small", "style/chain", "style/missing", "style/", "video/snapshot,t_1", "image"))
    count = random.choices((0, 1, 2, 3, 60), (1, 40, 30, 15, 1))[0]
    if count == 1 and random.random() < 0.1:
        return random.choice(("image/info", "image/average-hue"))
    table = ACTIONS if random.random() < 0.05 else _PICTURES
    return "/".join(["image", *(_action(random, table) for _ in range(count))])


def _action(random: Random, table: Mapping[str, ActionSpec]) -> str:
    spec = table[random.choice(sorted(table))]
    names = [name for name in spec.parameters if name not in spec.required and random.random() < 0.2]
    if spec.required:
        names += random.sample(spec.required, min(len(spec.required), random.choice((1, 1, 2))))
    random.shuffle(names)
    parts = [(name, _value(random, spec.parameters[name])) for name in names]
    return ",".join([spec.name, *(f"{name}_{value}" if name else value for name, value in parts)])


def _value(random: Random, parameter: Parameter) -> str:
    if random.random() < 0.04:
        return random.choice(NUMBERS)
    match parameter.kind:
        case Kind.INTEGER:
            far = random.random() < 0.08
            ends = (parameter.low - 1, parameter.low, parameter.high, parameter.high + 1)
            near = random.randint(parameter.low, min(parameter.high, parameter.low + 120))
            return str(random.choice(ends) if far else near)
        case Kind.CHOICE:
            return random.choice(parameter.choices)
        case Kind.COLOR:
            return random.choice(("FF8000", "00ff00", "000000", "fff"))
        case Kind.FONT:
            return to_base64(random.choice(parameter.choices))
        case Kind.TEXT:
            return to_base64(random.choice(TEXTS))
        case Kind.OBJECT:
            nested = ""
            if random.random() < 0.5:
                actions = "/".join(_action(random, WATERMARK_ACTIONS) for _ in range(random.choice((1, 2))))
                nested = f"?x-oss-process=image/{actions}"
            return to_base64(random.choice(MARKS) + nested)


def _cut(random: Random, text: str) -> str:
    return text[: random.randrange(len(text) + 1)]


def _dropped(random: Random, text: str) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + text[place + 1 :]


def _inserted(random: Random, text: str) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(SIGNS) * random.choice((1, 1, 2, 40)) + text[place:]


def _doubled(random: Random, text: str) -> str:
    start = random.randrange(len(text) + 1)
    return text + text[start : start + random.randrange(1, 30)] * random.choice((1, 2, 9))


def _swapped(random: Random, text: str) -> str:
    one, other = random.sample(",/|_", 2)
    return text.replace(one, other, random.choice((1, -1)))


def _shuffled(random: Random, text: str) -> str:
    parts = text.split(",")
    random.shuffle(parts)
    return ",".join(parts)


_MUTATIONS: tuple[Callable[[Random, str], str], ...] = (_cut, _dropped, _inserted, _doubled, _swapped, _shuffled)

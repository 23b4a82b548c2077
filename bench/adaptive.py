"""How well a run keeps to what the service can do at once: `python -m bench.adaptive [DIRECTORY]`."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.slots import SLOTS, TAKES_S
from bench.throughput.clients import KEYS, MANIFEST, REGION, key
from bench.throughput.runs import ROOT, cores

CONCURRENCY = 200
FIXED = (20, 22, 24, 26, 28, 32)
FIXED_HALVED = (10, 12, 14, 16)
LEAST_SHARE, MOST_DECLINED, FOLLOWED_S = 0.9, 0.03, 30.0
_ROUNDS = 3
_SETTLE_S, _FIXED_S, _STEADY_S, _WINDOW_S = 4.0, 5.0, 10.0, 5.0
_ROWS = 100_000
_ENVIRON = {"OSS_ACCESS_KEY_ID": KEYS[0], "OSS_ACCESS_KEY_SECRET": KEYS[1]}


@dataclass(frozen=True, slots=True)
class Answers:
    """When the service saved a picture, and when it declined one, in seconds."""

    saved: list[float]
    declined: list[float]

    def per_s(self, begin: float, end: float) -> float:
        """Pictures saved in a second."""
        return _count(self.saved, begin, end) / (end - begin)

    def declined_share(self, begin: float, end: float) -> float:
        """What part of the answers declined."""
        declined = _count(self.declined, begin, end)
        return declined / max(1, declined + _count(self.saved, begin, end))


@dataclass(frozen=True, slots=True)
class Round:
    """Pictures saved in a second by fixed limits and by the adaptive one, and what share of its POSTs was declined."""

    fixed_per_s: dict[int, float]
    per_s: float
    declined_share: float

    @property
    def best_per_s(self) -> float:
        """By the best fixed limit."""
        return max(self.fixed_per_s.values())

    @property
    def share(self) -> float:
        """Of what the best fixed limit saves."""
        return self.per_s / self.best_per_s


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; `followed_s` is None where that took longer than was waited.

    `timeline`: what the run says of itself for which slots were halved and doubled.
    """

    rounds: list[Round]
    halved_per_s: dict[int, float]
    followed_s: dict[str, float | None]
    timeline: list[dict[str, str]]

    @property
    def share(self) -> float:
        """Of what the best fixed limit saves, in the middle one of the rounds."""
        return statistics.median(each.share for each in self.rounds)

    @property
    def declined_share(self) -> float:
        """Of the answers, in the worst round."""
        return max(each.declined_share for each in self.rounds)


def main(directory: Path | None = None) -> int:
    """Measure, print, write into the directory; 1 where a promise is not kept."""
    found = measure()
    text = table(found)
    print(text)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "adaptive.json").write_text(json.dumps(asdict(found), indent=2) + "\n")
        (directory / "adaptive.md").write_text(text)
    followed = all(took is not None for took in found.followed_s.values())
    return int(found.share < LEAST_SHARE or found.declined_share > MOST_DECLINED or not followed)


def table(found: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        f"{SLOTS} slots of {TAKES_S * 1000:.0f} ms: at most {SLOTS / TAKES_S:.0f} pictures a second; {_ROUNDS} rounds",
        "",
        "| in flight | pictures a second |",
        "|---|---|",
        *(
            f"| {concurrency}, fixed | {', '.join(f'{each.fixed_per_s[concurrency]:.0f}' for each in found.rounds)} |"
            for concurrency in FIXED
        ),
        f"| up to {CONCURRENCY}, adaptive | {', '.join(f'{each.per_s:.0f}' for each in found.rounds)} |",
        "",
        f"- adaptive: {found.share:.1%} of the best fixed limit in the middle round (promised: {LEAST_SHARE:.0%})",
        f"- declined: {found.declined_share:.2%} in the worst round (allowed: {MOST_DECLINED:.0%})",
    ]
    for what, took in found.followed_s.items():
        words = f"{what}: not followed" if took is None else f"{what}: followed after {took:.1f} s"
        lines.append(f"- {words} (allowed: {FOLLOWED_S:.0f} s)")
    return "\n".join(lines) + "\n"


def measure() -> Figures:
    """Fixed limits and the adaptive one in turn, so that a slow minute slows all; then slots that change."""
    rounds = [_round() for _ in range(_ROUNDS)]
    halved = {concurrency: _fixed(concurrency, SLOTS // 2) for concurrency in FIXED_HALVED}
    best = {SLOTS // 2: max(halved.values()), SLOTS: statistics.median(each.best_per_s for each in rounds)}
    changed = {}
    with _service(SLOTS) as url, _worker(url, CONCURRENCY, adaptive=True) as worker:
        _first(url)
        time.sleep(_SETTLE_S)
        for slots, what in ((SLOTS // 2, "slots halved"), (SLOTS, "slots doubled")):
            changed[what] = (time.monotonic(), best[slots])
            _ask(url, f"slots/{slots}")
            time.sleep(FOLLOWED_S + _WINDOW_S)
        answers = _answers(url)
        timeline = json.loads(_end(worker))["events"]
    followed = {what: _followed_s(answers, at, LEAST_SHARE * per_s) for what, (at, per_s) in changed.items()}
    return Figures(rounds, halved, followed, timeline)


def _round() -> Round:
    fixed = {concurrency: _fixed(concurrency, SLOTS) for concurrency in FIXED}
    with _service(SLOTS) as url, _worker(url, CONCURRENCY, adaptive=True) as worker:
        begin = _first(url) + _SETTLE_S
        time.sleep(_SETTLE_S + _STEADY_S)
        answers = _answers(url)
        _end(worker)
    return Round(fixed, answers.per_s(begin, begin + _STEADY_S), answers.declined_share(begin, begin + _STEADY_S))


def _fixed(concurrency: int, slots: int) -> float:
    """Pictures saved in a second where so many are in flight."""
    with _service(slots) as url, _worker(url, concurrency, adaptive=False) as worker:
        begin = _first(url) + 1
        time.sleep(1 + _FIXED_S)
        answers = _answers(url)
        _end(worker)
    return answers.per_s(begin, begin + _FIXED_S)


def _followed_s(answers: Answers, changed: float, least_per_s: float) -> float | None:
    """How long after a change so many are saved as the slots can do, and few declined."""
    for tenths in range(int(FOLLOWED_S * 10) + 1):
        at = changed + tenths / 10
        declined = answers.declined_share(at, at + _WINDOW_S)
        if answers.per_s(at, at + _WINDOW_S) >= least_per_s and declined <= MOST_DECLINED:
            return tenths / 10
    return None


@contextmanager
def _service(slots: int) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.slots"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        os.sched_setaffinity(server.pid, {cores()[1]})
        url = server.stdout.readline().decode().strip()
        _ask(url, f"slots/{slots}")
        yield url
    finally:
        server.kill()
        server.communicate()


@contextmanager
def _worker(url: str, concurrency: int, *, adaptive: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """A whole run of the worker, that has more to do than there is time for."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        directory = Path(name)
        (directory / "job.yaml").write_text(MANIFEST)
        rows = "".join(f"{key(number)},1234\n" for number in range(_ROWS))
        (directory / "keys.csv").write_text("key,size\n" + rows)
        limits = (
            f"{{requests_per_second: 100000, source_mb_per_second: 100000, concurrency: {concurrency}, "
            f"adaptive: {str(adaptive).lower()}}}"
        )
        settings = f"endpoint: {url}\nregion: {REGION}\nresults: ./results\nlimits: {limits}\n"
        (directory / "config.yaml").write_text(settings)
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker", "run", "job.yaml", "--progress", "none", "--json", "--ok", "75"],
            cwd=directory,
            env={**os.environ, **_ENVIRON},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.sched_setaffinity(worker.pid, {cores()[0]})
        try:
            yield worker
        finally:
            worker.kill()
            worker.communicate()


def _end(worker: "subprocess.Popen[bytes]") -> bytes:
    """End the run as an operator would, for what it prints."""
    worker.terminate()
    out, err = worker.communicate()
    if worker.returncode:
        raise RuntimeError(err.decode())
    return out


def _first(url: str) -> float:
    """When the first picture was saved."""
    while not (saved := _answers(url).saved):
        time.sleep(0.1)
    return saved[0]


def _answers(url: str) -> Answers:
    return Answers(**_ask(url, "answers"))


def _ask(url: str, what: str) -> Any:
    with urllib.request.urlopen(f"{url}/{what}", timeout=60) as answer:  # noqa: S310 - our own URL
        return json.loads(answer.read() or b"null")


def _count(times: Sequence[float], begin: float, end: float) -> int:
    return bisect_left(times, end) - bisect_left(times, begin)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))

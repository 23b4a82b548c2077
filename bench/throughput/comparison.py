"""CPU of a POST: the whole worker beside bare aiohttp and the official SDKs, in one run, in turn."""

import json
import os
import platform
import re
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.throughput import moments, parts
from bench.throughput.drawing import drawn
from bench.throughput.moments import Moments
from bench.throughput.runs import Skipped, StandIn, Worker, client_cpu_s, cores, cpu_of, native_posts_per_s, stand_in

REPEATS = 5
TASKS = {
    "worker": 40_000,
    "bare-options": 40_000,
    "bare-default": 10_000,
    "sdk-async": 3_000,
    "sdk-threads": 1_000,
    "oss2-threads": 1_000,
    "ali-oss": 3_000,
}
NAMES = {
    "worker": "oss-saveas, all of it",
    "bare-options": "aiohttp alone, our options, signed before",
    "bare-default": "aiohttp alone, no options, signed before",
    "sdk-async": "alibabacloud-oss-v2, asynchronous",
    "sdk-threads": "alibabacloud-oss-v2, 64 threads",
    "oss2-threads": "oss2, 64 threads",
    "ali-oss": "ali-oss (node)",
}
# CPU of the other divided by that of the worker, at least.
PROMISES = {"bare-options": 0.80, "sdk-async": 2.2, "sdk-threads": 7.0, "oss2-threads": 7.0, "ali-oss": 1.7}
HELP_CPU_S, ONE_TASK_CPU_S, WAITING_SHARE, STAND_IN_FACTOR = 0.35, 0.8, 0.02, 2.0


@dataclass(slots=True)
class Comparison:
    """All figures of one run: CPU microseconds of a POST by client and repeat, and what else was measured."""

    machine: str
    at: str
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    stand_in_us: float = 0.0
    native_posts_per_s: float | None = None
    parts_us: dict[str, float] = field(default_factory=dict)
    moments: Moments | None = None

    def ratios(self, name: str) -> list[float]:
        """CPU of a client by that of the worker, repeat by repeat."""
        return [other / ours for other, ours in zip(self.cpu_us[name], self.cpu_us["worker"], strict=True)]


def main(directory: Path | None) -> int:
    """Measure, print, write into the directory; 1 where a promise is not kept."""
    found = measure()
    verdicts = promises(found)
    text = table(found) + "\n" + "\n".join(f"- {'kept' if kept else 'NOT KEPT'}: {what}" for what, kept in verdicts)
    print(text)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        document = {**asdict(found), "promises": [{"promise": what, "kept": kept} for what, kept in verdicts]}
        (directory / "throughput.json").write_text(json.dumps(document, indent=2) + "\n")
        (directory / "throughput.md").write_text(text + "\n")
        bars = {NAMES[name]: figures for name, figures in found.cpu_us.items()}
        (directory / "throughput.svg").write_text(drawn("CPU of a POST in microseconds, median and range", bars))
    return 0 if all(kept for _, kept in verdicts) else 1


def measure() -> Comparison:
    """One run, side by side: in each repeat every client in turn, so that a slow minute slows all of them."""
    found = Comparison(_machine(), datetime.now(UTC).isoformat(timespec="seconds"))
    with stand_in() as server:
        worker = Worker(server)
        for _ in range(REPEATS):
            for name, tasks in TASKS.items():
                if name in found.skipped:
                    continue
                try:
                    cpu_s = _checked(server, name, tasks, worker, found)
                except Skipped as reason:
                    found.skipped[name] = str(reason)
                    continue
                found.cpu_us.setdefault(name, []).append(cpu_s / tasks * 1e6)
        try:
            found.native_posts_per_s = native_posts_per_s(server.url)
        except Skipped as reason:
            found.skipped["wrk"] = str(reason)
        found.moments = moments.measure(server)
    found.parts_us = parts.measure()
    return found


def _checked(server: StandIn, name: str, tasks: int, worker: Worker, found: Comparison) -> float:
    before, cpu = server.posts(), cpu_of(server.pid)
    cpu_s = worker.cpu_s(tasks) if name == "worker" else client_cpu_s(name, server.url, tasks)
    if server.posts() - before != tasks:
        message = f"{name} was to send {tasks} POSTs, the stand-in served {server.posts() - before}"
        raise RuntimeError(message)
    if name == "bare-options":
        found.stand_in_us = (cpu_of(server.pid) - cpu) / tasks * 1e6
    server.times()
    return cpu_s


def promises(found: Comparison) -> list[tuple[str, bool]]:
    """Each promise with its figure, and whether it is kept."""
    verdicts = [
        (
            f"{NAMES[name]}: {statistics.median(found.ratios(name)):.2f} times our CPU (promised: {least})",
            statistics.median(found.ratios(name)) >= least,
        )
        for name, least in PROMISES.items()
        if name in found.cpu_us
    ]
    fastest = min(map(statistics.median, found.cpu_us.values()))
    factor = fastest / found.stand_in_us if cores()[0] != cores()[1] else 0.0
    verdicts.append(
        (
            f"the stand-in serves {factor:.1f} times what the fastest client sends (needed: {STAND_IN_FACTOR:g})",
            factor >= STAND_IN_FACTOR,
        )
    )
    if (real := found.moments) is not None:
        most = real.rate * 1.05 + 1
        verdicts += [
            (f"--help: {real.help_cpu_s:.2f} s of CPU (promised: {HELP_CPU_S})", real.help_cpu_s <= HELP_CPU_S),
            (
                f"a run of one task: {real.one_task_cpu_s:.2f} s of CPU (promised: {ONE_TASK_CPU_S})",
                real.one_task_cpu_s <= ONE_TASK_CPU_S,
            ),
            (
                f"{real.rate:g} a second: {real.kept_rate:.1f}, in the worst {real.worst_second} (allowed: {most:.0f})",
                real.worst_second <= most and real.kept_rate >= 0.95 * real.rate,
            ),
            (
                f"2,000 tasks that wait at 20 in a second: {real.waiting_share:.1%} of a core (allowed: 2%)",
                real.waiting_share <= WAITING_SHARE,
            ),
        ]
    return verdicts


def table(found: Comparison) -> str:
    """The figures as Markdown."""
    lines = [
        f"{found.machine}, {found.at}; {REPEATS} repeats in turn, user and system time of the client",
        "",
        "| client | CPU of a POST, median (range) | POSTs a second and core | CPU by ours, median (range) |",
        "|---|---|---|---|",
    ]
    for name, figures in found.cpu_us.items():
        median, ratios = statistics.median(figures), found.ratios(name)
        lines.append(
            f"| {NAMES[name]} | {median:.0f} us ({min(figures):.0f} to {max(figures):.0f}) | {1e6 / median:,.0f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )
    lines += [f"| {NAMES.get(name, name)} | not measured: {reason} | | |" for name, reason in found.skipped.items()]
    if found.native_posts_per_s is not None:
        lines.append(f"| wrk, a native client | | {found.native_posts_per_s:,.0f} | |")
    lines += ["", "| part of a task, alone | CPU |", "|---|---|"]
    lines += [f"| {name} | {cpu_us:.1f} us |" for name, cpu_us in found.parts_us.items()]
    if found.moments is not None:
        lines += ["", f"Time to the first POST: {found.moments.first_post_s:.2f} s."]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    try:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        model = None
    name = model[1] if model else platform.processor()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"

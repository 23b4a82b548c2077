"""The life of pods without a cluster: a Job's controller that reads our rendering, and runs the real program.

It does what https://kubernetes.io/docs/concepts/workloads/controllers/job/ says of Indexed Jobs: an index each, the
lowest first, at most `parallelism` at once; podFailurePolicy by its first rule that matches; back-off by index, a new
pod with an empty disk only once the old one has ended; SIGTERM, grace, SIGKILL. Back-off is a hundredth here.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import yaml

from deploy.kubernetes.lint.cronjob import CronJob

_BACKOFF_S, _LONGEST_BACKOFF_S, _SCALE = 10, 360, 0.01
# What the machine's own environment must not decide.
_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH")


@dataclass(slots=True)
class Pod:
    """A pod: a process with a disk of its own. `evicted`: it has the condition DisruptionTarget.

    `began_s` is on the clock of the event loop, which is that of time.monotonic().
    """

    index: int
    number: int
    process: Process
    disk: Path
    began_s: float
    evicted: bool = False
    output: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    @property
    def exit_code(self) -> int:
        """As a container runtime tells it: 128 and the signal that has killed it."""
        code = self.process.returncode
        assert code is not None
        return 128 - code if code < 0 else code


@dataclass(slots=True)
class Job:
    """One Job of a CronJob. Use `run` once; meanwhile `kill`, `evict` and `start` are what happens to its pods."""

    cronjob: CronJob
    name: str
    folder: Path
    environ: Mapping[str, str]
    pods: list[Pod] = field(default_factory=list)
    succeeded: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    failures: Counter[int] = field(default_factory=Counter)
    actions: list[tuple[int, int, str]] = field(default_factory=list)  # of each pod that failed: index, code, action
    condition: str = ""  # Complete or Failed, once it has ended
    _numbers: Iterator[int] = field(default_factory=count)
    _not_before: dict[int, float] = field(default_factory=dict)
    _tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _evictions: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, within_s: float = 300) -> str:
        """Have the controller work until the Job has ended; how: `Complete` or `Failed`."""
        try:
            async with asyncio.timeout(within_s):
                while not self.condition:
                    self._begin_pods()
                    await asyncio.sleep(0.01)
                await asyncio.gather(*self._tasks.values())
        finally:
            for pod in self.running():
                pod.process.kill()
            await asyncio.gather(*self._tasks.values(), *self._evictions)
        return self.condition

    def running(self, index: int | None = None) -> list[Pod]:
        """The pods that run, of one index or of all."""
        return [pod for pod in self.pods if pod.is_running and index in {None, pod.index}]

    def kill(self, pod: Pod) -> None:
        """What the kernel does to a container that takes too much memory: no condition tells of it."""
        pod.process.send_signal(signal.SIGKILL)

    def evict(self, pod: Pod) -> None:
        """What a drained node does to a pod: SIGTERM, the grace, SIGKILL; a condition tells of it."""
        pod.evicted = True
        self._evictions.add(asyncio.create_task(self._terminate(pod)))

    async def start(self, index: int) -> Pod:
        """Begin a pod that the controller did not ask for: a node that was lost, and has come back."""
        pod = await self._begin(index)
        self._evictions.add(asyncio.create_task(self._read(pod)))
        return pod

    @property
    def _completions(self) -> int:
        completions: int = self.cronjob.job["completions"]
        return completions

    def _begin_pods(self) -> None:
        active = {index for index, task in self._tasks.items() if not task.done()}
        for task in self._tasks.values():
            if task.done():
                task.result()
        left = [index for index in range(self._completions) if index not in self.succeeded | self.failed]
        if not left and not active:
            self.condition = "Failed" if self.failed else "Complete"
        now = asyncio.get_running_loop().time()
        for index in left:
            if len(active) >= self.cronjob.job["parallelism"]:
                return
            if index not in active and now >= self._not_before.get(index, 0):
                self._tasks[index] = asyncio.create_task(self._one_pod(index))
                active.add(index)

    async def _one_pod(self, index: int) -> None:
        pod = await self._begin(index)
        await self._read(pod)
        if self.condition:
            return
        if pod.exit_code == 0:
            self.succeeded.add(index)
            return
        action = self._action(pod)
        self.actions.append((index, pod.exit_code, action))
        match action:
            case "Ignore":
                pass
            case "FailJob":
                self._end("Failed")
            case "FailIndex":
                self._fail(index)
            case "Count":
                self.failures[index] += 1
                backoff_s = min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2 ** (self.failures[index] - 1)) * _SCALE
                self._not_before[index] = asyncio.get_running_loop().time() + backoff_s
                if self.failures[index] > self.cronjob.job["backoffLimitPerIndex"]:
                    self._fail(index)

    def _fail(self, index: int) -> None:
        self.failed.add(index)
        if len(self.failed) > self.cronjob.job["maxFailedIndexes"]:
            self._end("Failed")

    def _end(self, condition: str) -> None:
        self.condition = condition
        for pod in self.running():
            self._evictions.add(asyncio.create_task(self._terminate(pod)))

    def _action(self, pod: Pod) -> str:
        for rule in self.cronjob.rules:
            conditions = rule.get("onPodConditions", [])
            codes = rule.get("onExitCodes")
            if any((one["type"], one["status"]) == ("DisruptionTarget", "True") for one in conditions) and pod.evicted:
                return str(rule["action"])
            if codes and (pod.exit_code in codes["values"]) == (codes["operator"] == "In"):
                return str(rule["action"])
        return "Count"

    async def _begin(self, index: int) -> Pod:
        number = next(self._numbers)
        disk = self.folder / f"pod-{number}"
        mounts = self._mount(disk)
        began_s = asyncio.get_running_loop().time()
        args = [_inside(arg, mounts) for arg in self.cronjob.worker["args"]]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            *args,
            cwd=disk,
            env=self._environ(index, disk, mounts),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        pod = Pod(index, number, process, disk, began_s)
        self.pods.append(pod)
        return pod

    def _mount(self, disk: Path) -> dict[str, Path]:
        """What the pod has below which paths: ConfigMaps, and empty directories."""
        volumes = {one["name"]: one for one in self.cronjob.pod["volumes"]}
        mounts: dict[str, Path] = {}
        disk.mkdir(parents=True)
        for mount in self.cronjob.worker["volumeMounts"]:
            place = mounts[mount["mountPath"]] = disk / mount["name"]
            place.mkdir()
            if (named := volumes[mount["name"]].get("configMap")) is not None:
                for name, text in self.cronjob.config_maps[named["name"]]["data"].items():
                    (place / name).write_text(text)
        return mounts

    def _environ(self, index: int, disk: Path, mounts: dict[str, Path]) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if name in _KEPT}
        found |= {"HOME": str(disk), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": str(index)}
        labels = {"batch.kubernetes.io/job-name": self.name}
        for name, one in self.cronjob.env.items():
            if "value" in one:
                found[name] = _inside(one["value"], mounts)
            else:
                path = one["valueFrom"]["fieldRef"]["fieldPath"]
                found[name] = labels[path.removeprefix("metadata.labels['").removesuffix("']")]
        # Pods have a network each, and here they share one: its port would be the first one's.
        del found["OSS_SAVEAS_METRICS__PORT"]
        return {**found, **self.environ}

    async def _read(self, pod: Pod) -> None:
        assert pod.process.stdout is not None
        pod.output = (await pod.process.stdout.read()).decode()
        await pod.process.wait()

    async def _terminate(self, pod: Pod) -> None:
        if pod.is_running:
            pod.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.cronjob.pod["terminationGracePeriodSeconds"]):
                await pod.process.wait()
        except TimeoutError:
            pod.process.kill()


def _inside(text: str, mounts: dict[str, Path]) -> str:
    for path, place in mounts.items():
        if text == path or text.startswith(f"{path}/"):
            return f"{place}{text.removeprefix(path)}"
    return text


def cronjob_of(rendered: str) -> CronJob:
    """The CronJob of a rendering."""
    documents = [one for one in yaml.safe_load_all(rendered) if one]
    (found,) = [one for one in documents if one["kind"] == "CronJob"]
    return CronJob(found, documents)

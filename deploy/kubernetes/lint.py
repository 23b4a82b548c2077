"""What a cluster would refuse, or let pass and suffer for. Needs PyYAML only.

    kubectl kustomize OVERLAY | python deploy/kubernetes/lint.py

Schemas do not know these rules. Those of the API server are in its validation of Jobs (pkg/apis/batch/validation) and
in https://kubernetes.io/docs/concepts/workloads/controllers/job/; the others are what the worker needs to be run well
by a Job, and are told in docs/kubernetes.md.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml

Tree = dict[str, Any]
WORKER = "worker"
# Which exit code means what is told in the README.
RULES = (
    ("Ignore", None),  # DisruptionTarget: evicted
    ("Ignore", [75]),
    ("FailJob", [64, 66, 77]),
    ("FailIndex", [3, 5]),
)
# A Job's name is that of its CronJob, "-" and 8 digits; a pod's host name that, "-" and its index: at most 63.
_LONGEST_NAME = 47
_GRACE_DEFAULT_S = 75
# Beyond the grace that tasks on their way have: to record them, to write the summary, and to close connections.
_AFTER_GRACE_S = 15
_DAY_S = 86400
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}
_HASHED = re.compile(r"-[bcdfghkmt2456789]{10}$")


class CronJob:
    """A CronJob with what belongs to it, out of a rendering."""

    def __init__(self, cronjob: Tree, documents: Sequence[Tree]) -> None:
        self.name: str = cronjob["metadata"]["name"]
        self.spec: Tree = cronjob["spec"]
        self.job: Tree = self.spec["jobTemplate"]["spec"]
        self.pod: Tree = self.job["template"]["spec"]
        self.containers: list[Tree] = self.pod["containers"]
        self.worker: Tree = next((one for one in self.containers if one["name"] == WORKER), {})
        self.env: dict[str, Tree] = {one["name"]: one for one in self.worker.get("env", [])}
        self.config_maps = {one["metadata"]["name"]: one for one in documents if one["kind"] == "ConfigMap"}
        self.mounted = [one["configMap"]["name"] for one in self.pod.get("volumes", []) if "configMap" in one]

    @property
    def config(self) -> Tree:
        """The settings of the worker, out of the ConfigMap that it mounts."""
        for name in self.mounted:
            text = self.config_maps.get(name, {}).get("data", {}).get("config.yaml")
            if text is not None:
                found: Tree = yaml.safe_load(text) or {}
                return found
        return {}

    @property
    def rules(self) -> list[Tree]:
        """The rules for pods that failed."""
        found: list[Tree] = self.job.get("podFailurePolicy", {}).get("rules", [])
        return found

    def value(self, name: str) -> str:
        """The value of an environment variable of the worker."""
        return str(self.env.get(name, {}).get("value", ""))


Check = Callable[[CronJob], Iterator[str]]


def server_side(job: CronJob) -> Iterator[str]:
    """What the API server refuses, though the schema allows it."""
    spec, never = job.job, job.pod.get("restartPolicy") == "Never"
    if job.rules and not never:
        yield "podFailurePolicy needs restartPolicy Never"
    if "backoffLimitPerIndex" in spec and not (never and spec.get("completionMode") == "Indexed"):
        yield "backoffLimitPerIndex needs completionMode Indexed and restartPolicy Never"
    if job.rules and spec.get("podReplacementPolicy", "Failed") != "Failed":
        yield "with podFailurePolicy the podReplacementPolicy is Failed"
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield "maxFailedIndexes needs backoffLimitPerIndex"
    if spec.get("maxFailedIndexes", 0) > spec.get("completions", 1):
        yield "maxFailedIndexes is more than completions"
    if len(job.rules) > 20:
        yield "podFailurePolicy has more than 20 rules"
    for rule in job.rules:
        yield from _server_side_of_rule(rule, job)


def _server_side_of_rule(rule: Tree, job: CronJob) -> Iterator[str]:
    if rule.get("action") == "FailIndex" and "backoffLimitPerIndex" not in job.job:
        yield "FailIndex needs backoffLimitPerIndex"
    for condition in rule.get("onPodConditions", []):
        if "status" not in condition:
            yield 'a pod condition needs its status, "True": before 1.35 it has no default'
    codes = rule.get("onExitCodes")
    if codes is None:
        return
    values = codes.get("values", [])
    if values != sorted(set(values)) or len(values) > 255:
        yield f"exit codes are in ascending order, each once, at most 255: {values}"
    if codes.get("operator") == "In" and 0 in values:
        yield "exit code 0 is no failure"
    if codes.get("containerName") not in {None, *(one["name"] for one in job.containers)}:
        yield f"there is no container {codes['containerName']!r}"


def failure_policy(job: CronJob) -> Iterator[str]:
    """Each exit code of the worker means to the Job what it is meant to, an eviction before all of them."""
    found = []
    for rule in job.rules:
        evicted = any(
            (one.get("type"), one.get("status")) == ("DisruptionTarget", "True")
            for one in rule.get("onPodConditions", [])
        )
        values = None if evicted else rule.get("onExitCodes", {}).get("values")
        found.append((rule.get("action"), values))
    if tuple(found) != RULES:
        wanted = "; ".join(f"{action} {values or 'DisruptionTarget=True'}" for action, values in RULES)
        yield f"the rules of podFailurePolicy are, in this order: {wanted}; all else counts"
    if job.job.get("completionMode") != "Indexed":
        yield "completionMode is Indexed, for one pod as well"
    if job.job.get("backoffLimitPerIndex", 0) < 1:
        yield "backoffLimitPerIndex is at least 1: a pod that is killed is replaced"


def scale(job: CronJob) -> Iterator[str]:
    """The shards that pods know of are those that the Job has."""
    spec = job.job
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    if job.value("OSS_SAVEAS_SHARDS") != str(completions):
        yield f"OSS_SAVEAS_SHARDS is not completions {completions}: shards would stay undone"
    if job.value("OSS_SAVEAS_PARALLELISM") != str(parallelism):
        yield f"OSS_SAVEAS_PARALLELISM is not parallelism {parallelism}: limits would not hold, or not be used"
    if spec.get("maxFailedIndexes") != completions:
        yield "maxFailedIndexes is completions: a shard that fails ends no other"
    if not 1 <= (parallelism or 0) <= (completions or 0):
        yield "parallelism is 1 to completions: a pod more would hold a share of the limits, and do nothing"


def names(job: CronJob) -> Iterator[str]:
    """Names that fit, a run that all pods of a Job share, images that stay what they are."""
    if len(job.name) > _LONGEST_NAME:
        yield f"the name has more than {_LONGEST_NAME} characters: the Job of each night would be refused"
    path = job.env.get("OSS_SAVEAS_RUN", {}).get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
    if path != "metadata.labels['batch.kubernetes.io/job-name']":
        yield "OSS_SAVEAS_RUN is the name of the Job, from its label: else each pod is a run of its own"
    image = job.worker.get("image", "")
    if ":" not in image.rpartition("/")[2] or image.endswith(":latest"):
        yield f"the image {image!r} names no version"
    for name in job.mounted:
        if name not in job.config_maps:
            yield f"there is no ConfigMap {name!r}"
        elif not _HASHED.search(name):
            yield f"the name of ConfigMap {name!r} has no hash: a pod that starts late would read another manifest"


def schedule(job: CronJob) -> Iterator[str]:
    """One run at a time, each of which ends before the next is due."""
    spec, deadline_s = job.spec, job.job.get("activeDeadlineSeconds")
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "concurrencyPolicy is Forbid: two runs would share one quota"
    if not spec.get("timeZone"):
        yield "timeZone is missing: the schedule would be in that of the cluster"
    if spec.get("startingDeadlineSeconds", 0) < 10:
        yield "startingDeadlineSeconds is at least 10: without it 100 missed starts end the CronJob for good"
    if deadline_s is None or deadline_s >= (period_s := shortest_period_s(spec["schedule"])):
        shown = "" if deadline_s is None else f", {deadline_s} s, is not less than the {period_s} s from start to start"
        yield f"activeDeadlineSeconds{shown or ' is missing'}: a run that hangs keeps all later ones from starting"
    longest_s = _max_duration_s(job.worker.get("args", []))
    if longest_s is not None and deadline_s is not None and longest_s >= deadline_s:
        yield "--max-duration is not less than activeDeadlineSeconds: the run is killed before it ends itself"
    if "ttlSecondsAfterFinished" not in job.job:
        yield "ttlSecondsAfterFinished is missing: Jobs that were begun by hand stay for ever"


def shortest_period_s(cron: str) -> int:
    """The shortest time between two starts of a schedule, in seconds; days that are left out only make it longer."""
    minutes, hours = cron.split()[:2]
    times = [60 * hour + minute for hour in _field(hours, 24) for minute in _field(minutes, 60)]
    gaps = [later - earlier for earlier, later in zip(times, [*times[1:], times[0] + 24 * 60], strict=True)]
    return 60 * min(gaps)


def _field(text: str, size: int) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"0-{size - 1}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or (size - 1 if step else first)) + 1, int(step or 1)))
    return sorted(found)


def _max_duration_s(args: Sequence[str]) -> float | None:
    for name, value in pairwise(args):
        if name == "--max-duration":
            return float(value[:-1]) * _UNITS_S[value[-1]]
    return None


def pod(job: CronJob) -> Iterator[str]:
    """A pod that is drained before it is killed, finds its disk, and is disturbed by nothing of the cluster."""
    grace_s = (job.config.get("shutdown") or {}).get("grace_s", _GRACE_DEFAULT_S)
    if job.pod.get("terminationGracePeriodSeconds", 30) < (least_s := grace_s + _AFTER_GRACE_S):
        yield f"terminationGracePeriodSeconds is at least {least_s}: shutdown.grace_s, and {_AFTER_GRACE_S} to close"
    if job.pod.get("enableServiceLinks", True):
        yield "enableServiceLinks is false: a Service named oss-saveas would set OSS_SAVEAS_* variables"
    if any(probe in job.worker for probe in ("livenessProbe", "startupProbe")):
        yield "no livenessProbe: the worker has a watchdog, and a probe would kill a run that waits for the service"
    empty = {one["name"] for one in job.pod.get("volumes", []) if "emptyDir" in one}
    mounts = {one["mountPath"] for one in job.worker.get("volumeMounts", []) if one["name"] in empty}
    if job.value("TMPDIR") not in mounts:
        yield "TMPDIR is a mounted emptyDir: the spool has to be on a disk, and the root is read-only"
    resources = job.worker.get("resources", {})
    if "memory" not in resources.get("limits", {}) or "cpu" in resources.get("limits", {}):
        yield "resources have a limit of memory and none of cpu: throttling stretches drains"
    if "ephemeral-storage" not in resources.get("requests", {}):
        yield "resources request ephemeral-storage, for the spool"


def results(job: CronJob) -> Iterator[str]:
    """Results outlive the pod."""
    config = job.config
    if not config:
        yield "the worker mounts no ConfigMap with config.yaml"
    elif not str(config.get("results", "")).startswith("oss://") and not config.get("results_durable"):
        yield "results are on oss://, or results_durable says that their directory outlives the pod"
    if config.get("endpoint") == "local":
        yield "endpoint: local would be another OSS in each pod"


def security(job: CronJob) -> Iterator[str]:
    """What the Pod Security Standard `restricted` asks for, and a root that is read-only."""
    whole, own = job.pod.get("securityContext", {}), job.worker.get("securityContext", {})
    if not whole.get("runAsNonRoot") or not whole.get("runAsUser"):
        yield "runAsNonRoot and a runAsUser that is not 0"
    if whole.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile RuntimeDefault"
    if own.get("allowPrivilegeEscalation", True) or own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "allowPrivilegeEscalation is false, and all capabilities are dropped"
    if not own.get("readOnlyRootFilesystem"):
        yield "readOnlyRootFilesystem"
    if job.pod.get("automountServiceAccountToken", True):
        yield "automountServiceAccountToken is false: nothing here talks to the cluster"


CHECKS: tuple[Check, ...] = (server_side, failure_policy, scale, names, schedule, pod, results, security)


def problems(rendered: str) -> list[str]:
    """What is wrong with the CronJobs of a rendering, each with the name of the check and of the CronJob."""
    documents: list[Tree] = [one for one in yaml.safe_load_all(rendered) if one]
    jobs = [CronJob(one, documents) for one in documents if one["kind"] == "CronJob"]
    if not jobs:
        return ["there is no CronJob"]
    return [f"{job.name}: {check.__name__}: {found}" for job in jobs for check in CHECKS for found in check(job)]


if __name__ == "__main__":
    found = problems(sys.stdin.read())
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    sys.exit(1 if found else 0)

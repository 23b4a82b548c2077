"""What the worker needs to be run well by a Job. docs/kubernetes.md tells why."""

import re
from collections.abc import Iterator

from deploy.kubernetes.lint.cronjob import WORKER, CronJob, Tree
from deploy.kubernetes.lint.timing import seconds, shortest_period_s

# Which exit code means what is told in the README.
RULES = (
    ("Ignore", None),  # DisruptionTarget: evicted
    ("Ignore", [75]),
    ("FailJob", [64, 66, 77]),
    ("FailIndex", [3, 5]),
)
# Ends that leave nothing undone that another pod could do tonight.
_MAY_BE_OK = frozenset({"0", "3", "5"})
# A Job's name is that of its CronJob, "-" and 8 digits; a pod's host name that, "-" and its index: at most 63.
_LONGEST_NAME = 47
_GRACE_DEFAULT_S = 75
# Beyond the grace that tasks on their way have: to record them, to write the summary, and to close connections.
_AFTER_GRACE_S = 15
_TRUE = frozenset({"true", "yes", "on"})
_HASHED = re.compile(r"-[bcdfghkmt2456789]{10}$")


def failure_policy(job: CronJob) -> Iterator[str]:
    """Each exit code of the worker means to the Job what it is meant to, an eviction before all of them."""
    if tuple((rule.get("action"), _matched(rule)) for rule in job.rules) != RULES:
        wanted = "; ".join(f"{action} {values or 'DisruptionTarget=True'}" for action, values in RULES)
        yield f"the rules of podFailurePolicy are, in this order: {wanted}; all else counts"
    if job.job.get("completionMode") != "Indexed":
        yield "completionMode is Indexed, for one pod as well"
    if job.job.get("backoffLimitPerIndex", 0) < 1:
        yield "backoffLimitPerIndex is at least 1: a pod that is killed is replaced"


def _matched(rule: Tree) -> object:
    """None for evictions, the exit codes of the worker, or else the rule's own words."""
    conditions, codes = rule.get("onPodConditions", []), rule.get("onExitCodes", {})
    if any((one.get("type"), one.get("status")) == ("DisruptionTarget", "True") for one in conditions):
        return None
    ours = codes.get("operator") == "In" and codes.get("containerName") in {None, WORKER}
    return codes.get("values") if ours else rule


def arguments(job: CronJob) -> Iterator[str]:
    """Arguments leave to the Job what is its own: shards, and which ends are good."""
    if job.option("--shard") is not None:
        yield "--shard is not given: all pods would do that one; each does the shard of its index without it"
    accepted = {code.strip() for code in (job.option("--ok") or "").split(",")} - {""}
    if wrong := sorted(accepted - _MAY_BE_OK):
        yield f"--ok takes 3 and 5 alone, not {', '.join(wrong)}: the index would have succeeded with its work undone"


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
    if deadline_s is None:
        yield "activeDeadlineSeconds is missing: a run that hangs keeps all later ones from starting"
    else:
        yield from _times(job, deadline_s)
    if "ttlSecondsAfterFinished" not in job.job:
        yield "ttlSecondsAfterFinished is missing: Jobs that were begun by hand stay for ever"


def _times(job: CronJob, deadline_s: int) -> Iterator[str]:
    """Pods end themselves, in all their waves, before the Job is ended, and it before the next is due."""
    try:
        if deadline_s >= (period_s := shortest_period_s(job.spec["schedule"])):
            yield (
                f"activeDeadlineSeconds, {deadline_s} s, is not less than the {period_s} s from start to start: "
                "a run that hangs keeps all later ones from starting"
            )
    except ValueError as error:
        yield f"schedule {error}"
    if (longest := job.option("--max-duration")) is None:
        return
    try:
        longest_s = seconds(longest)
    except ValueError as error:
        yield f"--max-duration {error}"
        return
    waves = -(-job.job.get("completions", 1) // max(1, job.job.get("parallelism", 1)))
    if waves * longest_s >= deadline_s:
        yield (
            f"--max-duration, {longest} for each of {waves} pods one after another, is not less than "
            f"activeDeadlineSeconds, {deadline_s} s: pods are killed before they end themselves"
        )


def pod(job: CronJob) -> Iterator[str]:
    """A pod that is drained before it is killed, finds its disk, and is disturbed by nothing of the cluster."""
    try:
        grace_s = _grace_s(job)
    except ValueError as error:
        yield str(error)
        grace_s = _GRACE_DEFAULT_S
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


def _grace_s(job: CronJob) -> float:
    shutdown = job.settings.get("shutdown")
    given = shutdown.get("grace_s") if isinstance(shutdown, dict) else None
    try:
        return _GRACE_DEFAULT_S if given is None else float(given)
    except (TypeError, ValueError):
        raise ValueError(f"shutdown.grace_s is no number: {given!r}") from None


def results(job: CronJob) -> Iterator[str]:
    """Results outlive the pod, whatever says where they are: arguments, the environment, or config.yaml."""
    settings = job.settings
    if problem := job.config_problem:
        yield problem
    durable = str(settings.get("results_durable", "")).lower() in _TRUE
    if not str(settings.get("results", "")).startswith("oss://") and not durable:
        yield "results are on oss://, or results_durable says that their directory outlives the pod"
    if settings.get("endpoint") == "local":
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
    for place in job.secrets():
        yield f"no secret in the clear ({place}): use a role, or a Secret"
    if job.pod.get("automountServiceAccountToken", True):
        yield "automountServiceAccountToken is false: nothing here talks to the cluster"


CHECKS = (failure_policy, arguments, scale, names, schedule, pod, results, security)

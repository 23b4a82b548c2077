"""What the API server refuses, though the schema allows it."""

from collections.abc import Iterator

from deploy.kubernetes.lint.cronjob import CronJob, Tree


def server_side(job: CronJob) -> Iterator[str]:
    """The rules of the API server for Jobs."""
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
        yield from _rule(rule, job)


def _rule(rule: Tree, job: CronJob) -> Iterator[str]:
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

"""What a cluster would refuse, or let pass and suffer for. Needs PyYAML only.

    kubectl kustomize OVERLAY | python -m deploy.kubernetes.lint

Schemas do not know these rules. Those of the API server are in its validation of Jobs (pkg/apis/batch/validation) and
in https://kubernetes.io/docs/concepts/workloads/controllers/job/; the others are what the worker needs to be run well
by a Job, and are told in docs/kubernetes.md. Shapes are for schemas to judge: a rule that cannot be looked at says so.
"""

from collections.abc import Callable, Iterator

import yaml

from deploy.kubernetes.lint import worker_side
from deploy.kubernetes.lint.cronjob import CronJob, Tree, no_yaml
from deploy.kubernetes.lint.server_side import server_side

Check = Callable[[CronJob], Iterator[str]]
CHECKS: tuple[Check, ...] = (server_side, *worker_side.CHECKS)
_MISSHAPEN = (AttributeError, KeyError, TypeError)


def problems(rendered: str) -> list[str]:
    """What is wrong with the CronJobs of a rendering, each with the name of the check and of the CronJob."""
    try:
        documents = [one for one in yaml.safe_load_all(rendered) if one]
    except yaml.YAMLError as error:
        return [no_yaml("the rendering", error)]
    known: list[Tree] = [one for one in documents if isinstance(one, dict) and isinstance(one.get("kind"), str)]
    found = [f"{len(documents) - len(known)} of the documents have no kind"] if len(known) < len(documents) else []
    cronjobs = [one for one in known if one["kind"] == "CronJob"]
    if not cronjobs:
        found.append("there is no CronJob")
    return found + [problem for one in cronjobs for problem in _problems_of(one, known)]


def _problems_of(cronjob: Tree, documents: list[Tree]) -> Iterator[str]:
    try:
        job = CronJob(cronjob, documents)
    except _MISSHAPEN as error:
        yield f"the CronJob has not the shape that its schema asks for: {type(error).__name__} {error}"
        return
    for check in CHECKS:
        try:
            for problem in check(job):
                yield f"{job.name}: {check.__name__}: {problem}"
        except _MISSHAPEN as error:
            yield f"{job.name}: {check.__name__}: cannot be judged, by its shape: {type(error).__name__} {error}"

"""The linter has nothing to say of the overlays; each of its rules is broken once."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import yaml

from deploy.kubernetes.lint import problems
from deploy.kubernetes.lint.timing import seconds, shortest_period_s
from tests.kubernetes.rendering import KUBERNETES, OVERLAYS, Tree, documents, of_kind, rendered
from worker import arguments
from worker.errors import UsageError


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_linter_has_nothing_to_say(overlay: str) -> None:
    assert problems(rendered(overlay)) == []
    assert linted(rendered(overlay)) == (0, "")


def linted(text: str, *args: str) -> tuple[int, str]:
    """How the linter ends as a command, and what it says."""
    command, root = [sys.executable, "-m", "deploy.kubernetes.lint", *args], KUBERNETES.parents[1]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=root)
    return done.returncode, done.stderr


def test_the_linter_as_a_command_tells_what_is_wrong() -> None:
    code, said = linted(rendered("sharded").replace("concurrencyPolicy: Forbid", "concurrencyPolicy: Allow"))
    assert (code, said.count("\n"), "concurrencyPolicy is Forbid" in said) == (1, 1, True)


def test_the_linter_does_not_pass_over_a_file_that_it_is_given() -> None:
    code, said = linted(rendered("sharded"), "cronjob.yaml")
    assert (code, "takes no arguments" in said) == (1, True)


def spec_of(job: Tree) -> Tree:
    found: Tree = job["spec"]["jobTemplate"]["spec"]
    return found


def pod_of(job: Tree) -> Tree:
    found: Tree = spec_of(job)["template"]["spec"]
    return found


def worker_of(job: Tree) -> Tree:
    found: Tree = pod_of(job)["containers"][0]
    return found


def rules_of(job: Tree) -> list[Tree]:
    found: list[Tree] = spec_of(job)["podFailurePolicy"]["rules"]
    return found


def env_of(job: Tree, name: str) -> Tree:
    return next(one for one in worker_of(job)["env"] if one["name"] == name)


def codes(rule: Tree, values: list[int]) -> None:
    rule["onExitCodes"]["values"] = values


def drop(tree: Tree, name: str) -> None:
    del tree[name]


def swap(rules: list[Tree], first: int, second: int) -> None:
    rules[first], rules[second] = rules[second], rules[first]


def max_duration(job: Tree, *words: str) -> None:
    worker_of(job)["args"][-2:] = words


def daily(job: Tree) -> None:
    job["spec"]["schedule"] = "@daily"


def daily_for_a_day(job: Tree) -> None:
    daily(job)
    spec_of(job)["activeDeadlineSeconds"] = 86400


def of_a_sidecar(job: Tree) -> None:
    pod_of(job)["containers"].append({"name": "sidecar"})
    rules_of(job)[2]["onExitCodes"]["containerName"] = "sidecar"


Mutation = Callable[[Tree], object]
# What is broken, what the linter says of it, and how.
MUTATIONS: list[tuple[str, str, Mutation]] = [
    ("OnFailure", "restartPolicy Never", lambda job: pod_of(job).update(restartPolicy="OnFailure")),
    ("not indexed", "completionMode", lambda job: spec_of(job).update(completionMode="NonIndexed")),
    (
        "replaced too soon",
        "podReplacementPolicy",
        lambda job: spec_of(job).update(podReplacementPolicy="TerminatingOrFailed"),
    ),
    ("no limit per index", "FailIndex needs", lambda job: drop(spec_of(job), "backoffLimitPerIndex")),
    ("no limit per index", "maxFailedIndexes needs", lambda job: drop(spec_of(job), "backoffLimitPerIndex")),
    ("no second try", "backoffLimitPerIndex is at least 1", lambda job: spec_of(job).update(backoffLimitPerIndex=0)),
    ("too many may fail", "more than completions", lambda job: spec_of(job).update(maxFailedIndexes=99)),
    ("too few may fail", "ends no other", lambda job: spec_of(job).update(maxFailedIndexes=1)),
    ("too many rules", "more than 20", lambda job: rules_of(job).extend(rules_of(job)[1:2] * 20)),
    ("no status", "needs its status", lambda job: drop(rules_of(job)[0]["onPodConditions"][0], "status")),
    ("all other codes", "in this order", lambda job: rules_of(job)[2]["onExitCodes"].update(operator="NotIn")),
    ("codes of a sidecar", "in this order", of_a_sidecar),
    ("one shard for all", "--shard", lambda job: worker_of(job)["args"].extend(["--shard", "0/8"])),
    ("one shard for all, written so", "--shard", lambda job: worker_of(job)["args"].append("--shard=0/8")),
    ("a wrong manifest is well", "not 64", lambda job: worker_of(job)["args"].extend(["--ok", "64"])),
    ("an interruption is well", "not 75", lambda job: worker_of(job)["args"].append("--ok=3,75,5")),
    ("codes in disorder", "ascending", lambda job: codes(rules_of(job)[2], [77, 64, 66])),
    ("a code twice", "ascending", lambda job: codes(rules_of(job)[2], [64, 64, 66, 77])),
    ("code 0", "no failure", lambda job: codes(rules_of(job)[3], [0, 3, 5])),
    ("another container", "no container", lambda job: rules_of(job)[1]["onExitCodes"].update(containerName="other")),
    ("eviction later", "in this order", lambda job: swap(rules_of(job), 0, 2)),
    ("other order", "in this order", lambda job: swap(rules_of(job), 2, 3)),
    ("eviction is no matter", "in this order", lambda job: rules_of(job).pop(0)),
    ("a bug fails the job", "in this order", lambda job: codes(rules_of(job)[2], [1, 64, 66, 77])),
    ("an interruption counts", "in this order", lambda job: rules_of(job).pop(1)),
    ("other number of shards", "OSS_SAVEAS_SHARDS", lambda job: env_of(job, "OSS_SAVEAS_SHARDS").update(value="7")),
    ("no number of shards", "OSS_SAVEAS_SHARDS", lambda job: env_of(job, "OSS_SAVEAS_SHARDS").update(name="SHARDS")),
    (
        "results in the pod, by the environment",
        "results are on oss://",
        lambda job: worker_of(job)["env"].append({"name": "OSS_SAVEAS_RESULTS", "value": "./results"}),
    ),
    (
        "results in the pod, by an argument",
        "results are on oss://",
        lambda job: worker_of(job)["args"].append("--results=./results"),
    ),
    (
        "another OSS in each pod, by an argument",
        "another OSS in each pod",
        lambda job: worker_of(job)["args"].extend(["--endpoint", "local"]),
    ),
    (
        "a longer grace, by the environment",
        "at least 215",
        lambda job: worker_of(job)["env"].append({"name": "OSS_SAVEAS_SHUTDOWN__GRACE_S", "value": "200"}),
    ),
    (
        "a grace that is none",
        "shutdown.grace_s is no number: 'long'",
        lambda job: worker_of(job)["env"].append({"name": "OSS_SAVEAS_SHUTDOWN__GRACE_S", "value": "long"}),
    ),
    (
        "a secret in the clear",
        "environment: OSS_ACCESS_KEY_SECRET",
        lambda job: worker_of(job)["env"].append({"name": "OSS_ACCESS_KEY_SECRET", "value": "hush"}),
    ),
    ("no pods", "cannot be judged, by its shape", lambda job: spec_of(job).update(completions="eight")),
    ("no template", "has not the shape", lambda job: drop(spec_of(job), "template")),
    ("more completions", "OSS_SAVEAS_SHARDS", lambda job: spec_of(job).update(completions=9)),
    ("other share", "OSS_SAVEAS_PARALLELISM", lambda job: env_of(job, "OSS_SAVEAS_PARALLELISM").update(value="8")),
    ("too parallel", "parallelism is 1 to completions", lambda job: spec_of(job).update(parallelism=9)),
    ("long name", "more than 47", lambda job: job["metadata"].update(name="n" * 48)),
    (
        "a run for each pod",
        "OSS_SAVEAS_RUN",
        lambda job: env_of(job, "OSS_SAVEAS_RUN")["valueFrom"]["fieldRef"].update(fieldPath="metadata.name"),
    ),
    ("any image", "names no version", lambda job: worker_of(job).update(image="registry.example.com:5000/worker")),
    ("latest image", "names no version", lambda job: worker_of(job).update(image="worker:latest")),
    (
        "no such map",
        "there is no ConfigMap",
        lambda job: pod_of(job)["volumes"][0]["configMap"].update(name="gone-2222222222"),
    ),
    ("two at once", "Forbid", lambda job: job["spec"].update(concurrencyPolicy="Allow")),
    ("no zone", "timeZone", lambda job: drop(job["spec"], "timeZone")),
    ("no starting deadline", "startingDeadlineSeconds", lambda job: drop(job["spec"], "startingDeadlineSeconds")),
    ("may hang for ever", "activeDeadlineSeconds is missing", lambda job: drop(spec_of(job), "activeDeadlineSeconds")),
    ("hangs into the next", "from start to start", lambda job: job["spec"].update(schedule="0 */6 * * *")),
    ("killed in its time", "--max-duration, 2d", lambda job: worker_of(job)["args"].__setitem__(-1, "2d")),
    ("killed in its time, written so", "--max-duration, 30h", lambda job: max_duration(job, "--max-duration=30h")),
    ("killed in the second wave", "for each of 2 pods", lambda job: max_duration(job, "--max-duration", "12h")),
    ("killed in the eighth wave", "for each of 8 pods", lambda job: spec_of(job).update(parallelism=1)),
    ("a number for a duration", "'90' is not a duration", lambda job: max_duration(job, "--max-duration=90")),
    ("two units", "'1h30m' is not a duration", lambda job: max_duration(job, "--max-duration", "1h30m")),
    ("no value", "'' is not a duration", lambda job: max_duration(job, "--max-duration")),
    ("no schedule", "'@every 5m' is not understood", lambda job: job["spec"].update(schedule="@every 5m")),
    ("four fields", "is not understood", lambda job: job["spec"].update(schedule="30 1 * *")),
    ("no such hour", "is not understood", lambda job: job["spec"].update(schedule="0 24 * * *")),
    ("each hour", "the 3600 s from start to start", lambda job: job["spec"].update(schedule="@hourly")),
    ("every day by name", "the 86400 s", daily_for_a_day),
    ("never cleared", "ttlSecondsAfterFinished", lambda job: drop(spec_of(job), "ttlSecondsAfterFinished")),
    ("grace too short", "shutdown.grace_s", lambda job: pod_of(job).update(terminationGracePeriodSeconds=60)),
    ("no grace", "shutdown.grace_s", lambda job: drop(pod_of(job), "terminationGracePeriodSeconds")),
    ("service links", "enableServiceLinks", lambda job: drop(pod_of(job), "enableServiceLinks")),
    ("a probe", "livenessProbe", lambda job: worker_of(job).update(livenessProbe={"tcpSocket": {"port": 1}})),
    ("no place for the spool", "TMPDIR", lambda job: env_of(job, "TMPDIR").update(value="/var")),
    ("throttled", "none of cpu", lambda job: worker_of(job)["resources"]["limits"].update(cpu="1")),
    ("memory without end", "limit of memory", lambda job: drop(worker_of(job)["resources"]["limits"], "memory")),
    (
        "no disk asked for",
        "ephemeral-storage",
        lambda job: drop(worker_of(job)["resources"]["requests"], "ephemeral-storage"),
    ),
    ("root", "runAsUser", lambda job: pod_of(job)["securityContext"].update(runAsUser=0)),
    ("perhaps root", "runAsNonRoot", lambda job: drop(pod_of(job)["securityContext"], "runAsNonRoot")),
    ("any system call", "seccompProfile", lambda job: drop(pod_of(job)["securityContext"], "seccompProfile")),
    (
        "more rights",
        "allowPrivilegeEscalation",
        lambda job: drop(worker_of(job)["securityContext"], "allowPrivilegeEscalation"),
    ),
    ("capabilities", "capabilities", lambda job: drop(worker_of(job)["securityContext"], "capabilities")),
    (
        "writable root",
        "readOnlyRootFilesystem",
        lambda job: drop(worker_of(job)["securityContext"], "readOnlyRootFilesystem"),
    ),
    ("a token", "automountServiceAccountToken", lambda job: drop(pod_of(job), "automountServiceAccountToken")),
]


@pytest.mark.parametrize(("named", "said", "mutate"), MUTATIONS, ids=[f"{one[0]}: {one[1]}" for one in MUTATIONS])
def test_the_linter_finds_what_is_broken(named: str, said: str, mutate: Mutation) -> None:
    found = documents("sharded")
    (job,) = of_kind("CronJob", found)
    mutate(job)
    told = "\n".join(problems(yaml.safe_dump_all(found)))
    assert said in told
    assert "hush" not in told


@pytest.mark.parametrize(
    "fit",
    [
        lambda job: worker_of(job)["args"].extend(["--ok", "3,5"]),
        daily,
        lambda job: job["spec"].update(schedule="30 1 ? * ?"),
        lambda job: worker_of(job)["env"].append({"name": "OSS_SAVEAS_RESULTS", "value": "oss://others/x"}),
        lambda job: worker_of(job)["env"].append({"name": "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "value": "/var/run/token"}),
        lambda job: worker_of(job)["env"].append(
            {"name": "OSS_ACCESS_KEY_SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "secret"}}}
        ),
    ],
)
def test_the_linter_lets_be_what_is_right(fit: Mutation) -> None:
    found = documents("sharded")
    (job,) = of_kind("CronJob", found)
    fit(job)
    assert problems(yaml.safe_dump_all(found)) == []


def test_the_linter_says_what_is_no_rendering() -> None:
    assert problems("") == ["there is no CronJob"]
    assert problems("a: b: c") == ["the rendering is no YAML: see line 1"]
    assert problems(f"{rendered('sharded')}\n---\napiVersion: v1\n---\n- a list\n") == [
        "2 of the documents have no kind"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("endpoint: [", "config.yaml is no YAML: see line 1"),
        ("- a\n- list", "config.yaml is no mapping"),
        ("access_key_secret: hush", "config.yaml: access_key_secret"),
        ("credentials: {security_token: hush}", "config.yaml: security_token"),
        ("shutdown: {grace_s: [hush: }", "config.yaml is no YAML: see line 1"),
    ],
)
def test_the_linter_shows_no_secret_of_the_settings(text: str, said: str) -> None:
    found = documents("sharded")
    for one in of_kind("ConfigMap", found):
        one["data"]["config.yaml"] = text
    told = "\n".join(problems(yaml.safe_dump_all(found)))
    assert told.count(said) == 1
    assert "hush" not in told


def test_variables_of_a_config_map_count_as_well() -> None:
    found = documents("sharded")
    (job,) = of_kind("CronJob", found)
    worker_of(job)["envFrom"] = [{"configMapRef": {"name": "more"}}]
    found.append({"kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"OSS_SAVEAS_RESULTS": "./results"}})
    assert "results are on oss://" in "\n".join(problems(yaml.safe_dump_all(found)))


@pytest.mark.parametrize("text", ["22h", "0.5d", "90s", "45m", "90", "1h30m", "", "2 h", "h", "-1h", "1H", "٣h"])
def test_a_duration_is_what_the_worker_takes_for_one(text: str) -> None:
    try:
        expected = arguments.seconds("--max-duration", text)
    except UsageError:
        with pytest.raises(ValueError, match="not a duration"):
            seconds(text)
    else:
        assert seconds(text) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("results: ./results", "results are on oss://"),
        ("endpoint: local", "another OSS in each pod"),
        ("shutdown: {grace_s: 100}", "at least 115"),
    ],
)
def test_the_linter_looks_into_the_settings(line: str, said: str) -> None:
    found = documents("sharded")
    for one in of_kind("ConfigMap", found):
        settings = yaml.safe_load(one["data"]["config.yaml"]) | yaml.safe_load(line)
        one["data"]["config.yaml"] = yaml.safe_dump(settings)
    assert said in "\n".join(problems(yaml.safe_dump_all(found)))


def test_a_config_map_without_a_hash_is_found() -> None:
    text = rendered("sharded")
    (found,) = of_kind("ConfigMap", documents("sharded"))
    name = found["metadata"]["name"]
    assert "has no hash" in "\n".join(problems(text.replace(name, "oss-saveas-job")))


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [
        ("30 1 * * *", 86400),
        ("30 1 * * 5", 86400),  # a week in truth: never more than there is
        ("0 */6 * * *", 6 * 3600),
        ("0,30 * * * *", 1800),
        ("0 22-23 * * *", 3600),
        ("*/20 3 * * *", 1200),
        ("0 5/8 * * *", 8 * 3600),
        ("0 ? * * ?", 3600),
        ("@daily", 86400),
        ("@weekly", 86400),  # likewise
        ("@hourly", 3600),
    ],
)
def test_the_time_between_two_starts(cron: str, seconds: int) -> None:
    assert shortest_period_s(cron) == seconds

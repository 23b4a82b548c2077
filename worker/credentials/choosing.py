"""Which source of keys to use, by the setting `credentials`."""

from typing import NoReturn

from worker.credentials.environment import FAMILIES, MEND, from_environment
from worker.credentials.metadata import DISABLED, EcsRole, from_machine
from worker.credentials.profile import from_profiles
from worker.credentials.source import Source, Surroundings, in_short
from worker.credentials.sts import RRSA_VARIABLES, from_pod
from worker.credentials.uri import VARIABLE, CredentialsUri
from worker.errors import UsageError, WorkerError


async def choose(setting: str, surroundings: Surroundings) -> Source:
    """The source that the setting names; for `auto` the first one that is set up, in the documented order.

    Only where nothing at all is set up does `auto` ask whether this machine has a RAM role, for at most a few seconds.

    Raises:
        UsageError: It is not set up, or wrong; for `auto`, with everything that was tried.
    """
    match setting:
        case "env":
            return from_environment(surroundings) or _missing("no credentials in the environment", MEND)
        case "rrsa":
            return _pod(surroundings)
        case "uri":
            return _uri(surroundings) or _missing(
                f"{VARIABLE} is not set", "set it to the URL of your credentials server"
            )
        case "profile":
            return _profile(surroundings)
        case "ecs":
            return from_machine(surroundings)
    return await _first(surroundings)


async def _first(surroundings: Surroundings) -> Source:
    tried = [f"{key_id} (not set)" for key_id, *_ in FAMILIES]
    if (environment := from_environment(surroundings)) is not None:
        return environment
    pod = from_pod(surroundings)
    if not isinstance(pod, list):
        return pod
    tried.append(f"RRSA ({', '.join(pod)} not set)")
    if (uri := _uri(surroundings)) is not None:
        return uri
    tried.append(f"{VARIABLE} (not set)")
    profile = from_profiles(surroundings)
    if not isinstance(profile, list):
        return profile
    tried += profile
    if surroundings.is_on(DISABLED):
        tried.append(f"ECS RAM role ({DISABLED} is true)")
    else:
        machine = from_machine(surroundings)
        problem = None if machine.role else await _problem(machine)
        if problem is None:
            return machine
        tried.append(f"ECS RAM role ({problem})")
    reason = f"no credentials; tried in this order: {', '.join(tried)}"
    return _missing(reason, f"{MEND}; docs/credentials.md has the other ways")


async def _problem(machine: EcsRole) -> str | None:
    try:
        await machine.fetch()
    except WorkerError as error:
        return in_short(error)
    return None


def _pod(surroundings: Surroundings) -> Source:
    pod = from_pod(surroundings)
    if isinstance(pod, list):
        reason = f"{' and '.join(pod)} not set: this pod has no role"
        mend = f"set {', '.join(RRSA_VARIABLES)}, or let ack-pod-identity-webhook do it"
        _missing(reason, mend)
    return pod


def _profile(surroundings: Surroundings) -> Source:
    found = from_profiles(surroundings)
    if isinstance(found, list):
        reason = f"no profile; looked into {', '.join(found)}"
        _missing(reason, "run `aliyun configure`, or name another profile in ALIBABA_CLOUD_PROFILE")
    return found


def _uri(surroundings: Surroundings) -> Source | None:
    uri = surroundings.value(VARIABLE)
    return CredentialsUri(uri, surroundings) if uri else None


def _missing(reason: str, mend: str) -> NoReturn:
    raise UsageError(reason, mend)

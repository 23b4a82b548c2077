"""RAM policies: what they say of an action on a resource. Pure. Source: RAM, "Policy structure and syntax"."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from worker.emulator.patterns import matches

_PARTS = 5  # acs:oss:{region}:{owner}:{bucket or bucket/key}


class Effect(StrEnum):
    """What a statement does to the requests it covers."""

    ALLOW = "Allow"
    DENY = "Deny"


class Ruling(StrEnum):
    """What all policies together say of one request; the words are those of `NoPermissionType`."""

    ALLOWED = "Allowed"
    EXPLICIT_DENY = "ExplicitDeny"
    IMPLICIT_DENY = "ImplicitDeny"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy. In patterns `*` stands for any text, `?` for one character."""

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def covers(self, action: str, resource: str) -> bool:
        """Whether it speaks of this action on this resource."""
        return any(matches(pattern.lower(), action.lower()) for pattern in self.actions) and any(
            resource_matches(pattern, resource) for pattern in self.resources
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements that are attached to an access key together."""

    statements: tuple[Statement, ...]


FULL_ACCESS = Policy((Statement(Effect.ALLOW, ("*",), ("*",)),))


def judge(policies: Iterable[Policy], action: str, resource: str) -> Ruling:
    """What policies say: a Deny wins over any Allow, and what nobody allows is denied."""
    effects = {
        statement.effect for policy in policies for statement in policy.statements if statement.covers(action, resource)
    }
    if Effect.DENY in effects:
        return Ruling.EXPLICIT_DENY
    return Ruling.ALLOWED if Effect.ALLOW in effects else Ruling.IMPLICIT_DENY


def is_resource_pattern(pattern: str) -> bool:
    """Whether a text can stand for resources: `*`, or five parts as in `acs:oss:*:*:bucket/key`."""
    return pattern == "*" or pattern.count(":") >= _PARTS - 1


def resource_matches(pattern: str, resource: str) -> bool:
    """Whether a pattern covers a resource: part by part, for a key may hold a `:` too."""
    if pattern == "*":
        return True
    wanted, found = pattern.split(":", _PARTS - 1), resource.split(":", _PARTS - 1)
    return len(wanted) == len(found) and all(map(matches, wanted, found))

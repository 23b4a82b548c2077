"""Policies files: access keys with RAM policies, and buckets with their regions, from YAML or JSON."""

import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import FULL_ACCESS, Effect, Policy, Statement, is_resource_pattern
from worker.emulator.configuration import Value, read_file, shown
from worker.oss.names import bucket_problem
from worker.oss.signing import Credentials

_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)


def read_access(path: Path, now: datetime) -> Access:
    """What a policies file says. Durations in it (`expires: 15m`) count from `now`.

    Raises:
        UsageError: It makes no sense, with the place and the mend.
    """
    return read_file(path, partial(_access, folder=path.parent, now=now))


def _access(root: Value, folder: Path, now: datetime) -> Access:
    fields = root.fields(needed=("version", "keys"), known=("buckets",))
    fields["version"].choice(("1",))
    accounts: list[Account] = []
    for value in fields["keys"].items():
        account = _account(value, folder, now)
        if any(account.credentials.access_key_id == other.credentials.access_key_id for other in accounts):
            raise value.wrong("this access key id stands here twice", "give each key an id of its own")
        accounts.append(account)
    return Access(tuple(accounts), _buckets(fields["buckets"]) if "buckets" in fields else {})


def _buckets(value: Value) -> dict[str, str]:
    buckets = {}
    for name, region in value.entries():
        if problem := bucket_problem(name.text()):
            raise name.wrong(f"{shown(name.text())} is no bucket: {problem}", "correct the name")
        if not _REGION.fullmatch(region.text()) or region.text().startswith("oss-"):
            raise region.wrong(f"{shown(region.text())} is no region", "write it as in cn-hangzhou, without `oss-`")
        buckets[name.text()] = region.text()
    return buckets


def _account(value: Value, folder: Path, now: datetime) -> Account:
    fields = value.fields(needed=("id", "secret"), known=("token", "expires", "disabled", "policies"))
    if not _ID.fullmatch(fields["id"].text()):
        raise fields["id"].wrong("an access key id has 1 to 128 letters, digits, '.', '_' and '-'", "correct it")
    token = fields["token"].name() if "token" in fields else ""
    expires = _expiry(fields["expires"], now) if "expires" in fields else None
    if expires is not None and not token:
        raise fields["expires"].wrong("only temporary keys expire", "give it a `token` too, or remove `expires`")
    return Account(
        Credentials(fields["id"].text(), fields["secret"].name(), token),
        _policies(fields["policies"], folder) if "policies" in fields else (),
        disabled=fields["disabled"].flag() if "disabled" in fields else False,
        expires=expires,
    )


def _expiry(value: Value, now: datetime) -> datetime:
    return value.moment() if "T" in value.text() else now + timedelta(seconds=value.seconds())


def _policies(value: Value, folder: Path) -> tuple[Policy, ...]:
    """Policies in place, or in files of their own, named by their path; `full-access` is the policy that allows all."""
    policies = []
    for each in value.items():
        if not each.is_text():
            policies.append(_policy(each))
        elif each.text() == "full-access":
            policies.append(FULL_ACCESS)
        else:
            policies.append(read_file(folder / each.name(), _policy))
    return tuple(policies)


def _policy(value: Value) -> Policy:
    fields = value.fields(needed=("Version", "Statement"))
    fields["Version"].choice(("1",))
    return Policy(tuple(map(_statement, fields["Statement"].one_or_more())))


def _statement(value: Value) -> Statement:
    for key, _ in value.entries():
        if key.text() in ("Condition", "NotAction", "NotResource", "Principal"):
            reason = f"{key.text()} is not supported by the local OSS"
            raise key.wrong(reason, "leave it out here, and try it on the service")
    fields = value.fields(needed=("Effect", "Action", "Resource"))
    return Statement(
        Effect(fields["Effect"].choice(tuple(Effect))),
        tuple(map(_action, fields["Action"].one_or_more())),
        tuple(map(_resource, fields["Resource"].one_or_more())),
    )


def _action(value: Value) -> str:
    if not _ACTION.fullmatch(value.text()):
        raise value.wrong(f"{shown(value.text())} is no action", "write one such as oss:GetObject, oss:Get* or *")
    return value.text()


def _resource(value: Value) -> str:
    text = value.text()
    if not is_resource_pattern(text) or not (text == "*" or text.startswith(("acs:oss:", "acs:*:"))):
        raise value.wrong(f"{shown(text)} is no resource of OSS", "write one such as acs:oss:*:*:bucket/key or *")
    return text

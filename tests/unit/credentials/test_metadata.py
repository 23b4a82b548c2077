"""The RAM role of a machine: with a token, without one where that is allowed, and never through a proxy."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web as http

from tests.issuers import Asked, Issuer, around, issued, key, reply, way
from worker.credentials.metadata import METADATA, EcsRole, from_machine
from worker.credentials.source import Lease
from worker.credentials.web import Web
from worker.errors import AccessError, StoppedError, UsageError, WorkerError

ROLES = "/latest/meta-data/ram/security-credentials/"
HARD = {"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"}


def machine(
    token: http.Response | None = None, *, needs_token: bool = True, roles: str = "night\n", **changes: object
) -> Callable[[Asked], http.Response]:
    """A metadata service; `token` is its answer to PUT."""

    def answer(asked: Asked) -> http.Response:
        if asked.method == "PUT":
            return token or reply("made-up-metadata-token")
        if needs_token and asked.headers.get("X-aliyun-ecs-metadata-token") != "made-up-metadata-token":
            return reply("forbidden", 403)
        if asked.path == ROLES:
            return reply(roles)
        if asked.path == f"{ROLES}night":
            return reply({"Code": "Success", **issued(**changes)})  # type: ignore[arg-type]  # fields
        return reply("not found", 404)

    return answer


async def fetch(
    answer: Callable[[Asked], http.Response], web: Web, role: str = "", environ: dict[str, str] | None = None
) -> tuple[Lease, list[str]]:
    async with Issuer(answer) as service:
        lease = await EcsRole(role, around(web, environ), service.url).fetch()
        return lease, [f"{asked.method} {asked.path.removeprefix(ROLES)}" for asked in service.asked]


async def test_the_role_and_its_key_are_asked_for_with_a_token(web: Web) -> None:
    lease, asked = await fetch(machine(), web)
    assert lease == Lease(key(1), 3599)
    assert asked == ["PUT /latest/api/token", "GET ", "GET night"]


async def test_a_role_that_is_named_is_not_asked_for(web: Web) -> None:
    _, asked = await fetch(machine(), web, "night")
    assert asked == ["PUT /latest/api/token", "GET night"]


async def test_the_token_is_asked_for_as_documented(web: Web) -> None:
    async with Issuer(machine()) as service:
        await EcsRole("night", around(web), service.url).fetch()
        assert service.asked[0].headers["X-aliyun-ecs-metadata-token-ttl-seconds"] == "60"


@pytest.mark.parametrize("refusal", [reply("", 404), reply("", 405), reply("x", 500), reply("a\nb")])
async def test_where_there_are_no_tokens_it_goes_without_unless_that_is_forbidden(
    web: Web, refusal: http.Response
) -> None:
    def fresh(asked: Asked) -> http.Response:
        again = http.Response(status=refusal.status, body=refusal.body)
        return machine(again, needs_token=False)(asked)

    lease, _ = await fetch(fresh, web)
    assert lease.credentials == key(1)
    with pytest.raises(StoppedError, match="ALIBABA_CLOUD_IMDSV1_DISABLED forbids"):
        await fetch(fresh, web, environ=HARD)


async def test_where_a_token_does_not_come_back_it_goes_without(web: Web) -> None:
    def lost(asked: Asked) -> http.Response | None:
        return None if asked.method == "PUT" else machine(needs_token=False)(asked)

    async with Issuer(lost) as service:
        assert (await EcsRole("", around(web), service.url).fetch()).credentials == key(1)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda _: reply("", 404), AccessError, "no RAM role is attached"),
        (machine(roles="other"), AccessError, "no RAM role other is attached"),
        (machine(roles="<html>"), StoppedError, "no name of a role"),
        (machine(roles=""), StoppedError, "no name of a role"),
        (machine(reply("", 404)), StoppedError, "answers 403"),
        (machine(Code="AssumeRoleUnauthorized"), StoppedError, "no key for the role night"),
        (machine(SecurityToken=None), StoppedError, "no usable SecurityToken"),
        (machine(valid_s=-5), StoppedError, "expired already"),
        (lambda asked: reply("x" if asked.method == "PUT" else "{", 200), StoppedError, "no name of a role"),
    ],
)
async def test_answers_that_bring_no_key_are_told_apart(
    web: Web, answer: Callable[[Asked], http.Response], error: type[WorkerError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        await fetch(answer, web)
    assert key(1).access_key_secret not in str(caught.value)


async def test_a_name_that_is_none_is_asked_for_nowhere(web: Web) -> None:
    async with Issuer(machine()) as service:
        with pytest.raises(UsageError, match="no such name"):
            await EcsRole("../../x", around(web), service.url).fetch()
        assert [asked.method for asked in service.asked] == ["PUT"]


async def test_a_service_that_says_nothing_is_not_waited_for_long(web: Web) -> None:
    async def silent(_: Asked) -> http.Response:
        await asyncio.sleep(3600)
        return reply("")

    async with Issuer(silent) as service:
        with pytest.raises(StoppedError, match="it takes too long"):
            async with asyncio.timeout(60):
                await EcsRole("night", around(web), service.url).fetch()


async def test_no_proxy_stands_between_a_machine_and_its_metadata() -> None:
    proxied: list[str] = []
    async with way("http://127.0.0.1:9", proxied=proxied) as web:
        lease, _ = await fetch(machine(), web)
    assert lease.credentials == key(1)
    assert proxied == []


def test_the_environment_names_the_role_or_forbids_to_ask(web: Web) -> None:
    found = from_machine(around(web, {"ALIBABA_CLOUD_ECS_METADATA": "night"}))
    assert (found.role, found.base, found.name) == ("night", METADATA, "ECS RAM role night")
    assert from_machine(around(web)).name == "ECS RAM role"
    with pytest.raises(UsageError, match="ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids"):
        from_machine(around(web, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "TRUE"}))

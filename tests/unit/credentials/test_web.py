"""The way to the issuers: no key over a network in plain text, no redirect, the configured proxy and no other."""

import asyncio
import socket
import ssl

import pytest
from aiohttp import web as http

from tests.issuers import Asked, Issuer, reply, way
from worker.credentials.web import METADATA_HOST, Patience, Web, is_near
from worker.errors import StoppedError, UsageError

QUICK = Patience(10, 20)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", METADATA_HOST, "169.254.169.254", "fe80::1"])
def test_a_machine_and_its_own_host_are_near(host: str) -> None:
    assert is_near(host)


@pytest.mark.parametrize("host", ["100.100.100.201", "10.0.0.1", "192.168.0.1", "sts.aliyuncs.com", "8.8.8.8"])
def test_anything_else_is_not(host: str) -> None:
    assert not is_near(host)


async def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(web: Web) -> None:
    with pytest.raises(UsageError, match="plain http"):
        await web.ask("STS", "GET", "http://sts.example.com/", QUICK)


async def test_the_configured_proxy_is_used_for_other_machines_and_only_for_them() -> None:
    proxied: list[str] = []

    def proxy(asked: Asked) -> http.Response:
        return reply(f"by way of a proxy: {asked.path}")

    async with Issuer(proxy) as server, way(server.url, plain_http=True, proxied=proxied) as opened:
        answer = await opened.ask("STS", "GET", "http://sts.example.com/x", QUICK)
        assert answer.body.endswith(b"/x")
        assert (await opened.ask("it", "GET", f"{server.url}/direct", QUICK)).status == 200
    assert proxied == ["sts.example.com"]
    assert "proxy" not in repr(answer)


async def test_a_proxy_that_refuses_is_told_as_such() -> None:
    async with Issuer(lambda _: reply("", 407)) as server, way(server.url) as opened:
        with pytest.raises(StoppedError, match="the proxy answers 407"):
            await opened.ask("STS", "GET", "https://sts.example.com/", QUICK)


async def test_redirects_are_not_followed(web: Web) -> None:
    moved = http.Response(status=302, headers={"Location": "/elsewhere"})
    async with Issuer(lambda _: moved) as server:
        assert (await web.ask("it", "GET", server.url, QUICK)).status == 302
        assert len(server.asked) == 1


async def test_what_is_no_http_is_no_answer(web: Web) -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(StoppedError, match="no answer from it"):
        await web.ask("it", "GET", f"http://127.0.0.1:{port}/", QUICK)
    server.close()


async def test_plain_text_where_tls_is_due_is_no_answer(web: Web) -> None:
    async with Issuer(lambda _: reply("")) as server:
        with pytest.raises(StoppedError, match="no answer from it"):
            await web.ask("it", "GET", server.url.replace("http:", "https:"), QUICK)


async def test_silence_is_waited_for_no_longer_than_allowed(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoppedError, match="it takes too long"):
            await web.ask("it", "GET", f"http://127.0.0.1:{port}/", Patience(10, 0.1))


async def test_a_way_that_is_not_open_is_an_error_of_ours() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Web(ssl.create_default_context(), lambda *_: None, plain_http=False).ask("it", "GET", "https://x/", QUICK)

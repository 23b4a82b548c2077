"""What goes out is what was signed, byte for byte; what comes back, or does not, has a name."""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from tests.fakes import MadeUpResponse
from tests.stand_in import Reply, StandIn
from worker import __version__
from worker.errors import UsageError
from worker.oss.answer import Answer
from worker.oss.codes import Remedy
from worker.oss.endpoint import parse_endpoint
from worker.oss.names import ObjectRef
from worker.oss.request import Request, bucket_info, head_object, process_object
from worker.oss.verdict import Failure
from worker.settings import Timeout
from worker.settings import Transport as Options
from worker.transport import Transport, proxy_for

URL_OF_NOBODY = "http://127.0.0.1:9"
POST = process_object(ObjectRef("photos", "a.jpg"), "image/resize,w_4|sys/saveas,o_YQ,b_Yg").with_headers(
    ("authorization", "made up")
)
GET = bucket_info("photos")
# aiohttp's answers to its own shortcomings belong to aiohttp; what matters here is the name that we give to them.
KEY = ConnectionKey("127.0.0.1", 9, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
NO_REQUEST = aiohttp.RequestInfo(URL(URL_OF_NOBODY), "POST", headers=None, real_url=URL(URL_OF_NOBODY))  # type: ignore[arg-type]  # not looked at


def transport(url: str, total_s: float = 20, connect_s: float = 10, options: Options | None = None) -> Transport:
    return Transport(parse_endpoint(url), options or Options(), Timeout(connect_s, total_s), 4)


async def send(url: str, request: Request = POST, total_s: float = 20) -> Answer | Failure:
    async with transport(url, total_s) as opened:
        return await opened.send(request)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that does with a connection what a test wants, and then closes it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def code(found: Answer | Failure) -> str:
    assert isinstance(found, Failure), found
    assert found.http == 0
    assert not found.declined
    return found.code


class Case(NamedTuple):
    error: Exception
    code: str
    remedy: Remedy


CASES = [
    Case(aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "ConnectionFailed", Remedy.WAIT),
    Case(aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown name")), "ConnectionFailed", Remedy.WAIT),
    Case(aiohttp.ClientHttpProxyError(NO_REQUEST, ()), "ConnectionFailed", Remedy.WAIT),
    Case(
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")),
        "TlsFailed",
        Remedy.NONE,
    ),
    Case(ssl.SSLCertVerificationError("self-signed"), "TlsFailed", Remedy.NONE),
    Case(aiohttp.ConnectionTimeoutError("slow"), "ConnectTimeout", Remedy.WAIT),
    Case(aiohttp.ServerTimeoutError("slow"), "Timeout", Remedy.RETRY),
    Case(TimeoutError(), "Timeout", Remedy.RETRY),
    # Nobody connects here, as with a connection that was kept. What a new one is called is shown with real ones below.
    Case(aiohttp.ServerDisconnectedError(), "StaleConnection", Remedy.FREE),
    Case(aiohttp.ClientOSError(104, "reset"), "StaleConnection", Remedy.FREE),
    Case(aiohttp.ClientPayloadError("short"), "ConnectionLost", Remedy.RETRY),
    Case(aiohttp.ClientResponseError(NO_REQUEST, (), message="no HTTP"), "ConnectionLost", Remedy.RETRY),
    Case(ConnectionResetError(104, "reset"), "ConnectionLost", Remedy.RETRY),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.error).__name__)
async def test_each_trouble_has_its_name_and_its_remedy(case: Case) -> None:
    with aioresponses() as made_up:
        made_up.post(URL(f"{URL_OF_NOBODY}/photos/a.jpg?x-oss-process", encoded=True), exception=case.error)
        found = await send(URL_OF_NOBODY)
    assert isinstance(found, Failure)
    assert (found.code, found.remedy) == (case.code, case.remedy)
    assert type(case.error).__name__ in found.message


async def test_an_answer_is_its_status_its_headers_in_lower_case_and_its_body() -> None:
    with aioresponses() as made_up:
        made_up.get(
            URL(f"{URL_OF_NOBODY}/photos/?bucketInfo", encoded=True),
            status=403,
            body=b"<Error/>",
            headers={"X-Oss-Request-Id": "R1"},
            response_class=MadeUpResponse,
        )
        found = await send(URL_OF_NOBODY, GET)
        ((_, calls),) = made_up.requests.items()
    assert isinstance(found, Answer)
    assert (found.status, found.body, found.request_id) == (403, b"<Error/>", "R1")
    assert calls[0].kwargs["allow_redirects"] is False
    assert calls[0].kwargs["data"] is None


async def test_a_request_has_the_signed_headers_and_those_of_http_itself() -> None:
    async with StandIn({"photos": {"a.jpg": "E"}, "b": {}}) as server:
        found = await send(server.url)
        assert isinstance(found, Answer)
        (seen,) = server.seen
    assert seen.headers == {
        "host": server.url.removeprefix("http://"),
        "user-agent": f"oss-saveas/{__version__}",
        "authorization": "made up",
        "content-length": str(len(POST.body)),
    }
    assert seen.body == POST.body
    assert seen.target == "/photos/a.jpg?x-oss-process"


KEYS = [
    "a b.jpg",
    "a+b.jpg",
    "100%.jpg",
    "%2e%2e/a.jpg",
    "雪山.jpg",
    "a/../b.jpg",
    "./a.jpg",
    "a//b.jpg",
    "a/./b/",
    "\"quoted\" 'too' (and) [so] {on}.jpg",
    "a?b#c&d=e.jpg",
    "\x01\x7f\t\r\n.jpg",
    "~!$*;:@,|\\^`.jpg",
    "é" * 511 + "x",
]


@pytest.mark.parametrize("key", KEYS)
async def test_every_key_arrives_as_it_is(key: str) -> None:
    request = process_object(ObjectRef("photos", key), "image/info|sys/saveas,o_YQ,b_Yg")
    async with StandIn({"photos": {key: "E"}, "b": {}}) as server:
        found = await send(server.url, request)
        (seen,) = server.seen
    assert isinstance(found, Answer)
    assert (found.status, seen.key) == (200, key)
    assert server.url + seen.target == parse_endpoint(server.url).url(request)


async def test_redirects_are_answers_and_never_followed() -> None:
    def elsewhere(_: object) -> Reply:
        return Reply(307, (("Location", f"{server.url}/elsewhere"),))

    async with StandIn({}, elsewhere) as server:
        found = await send(server.url)
        assert isinstance(found, Answer)
        assert (found.status, len(server.seen)) == (307, 1)


async def test_cookies_are_not_kept() -> None:
    async with StandIn({}, lambda _: Reply(200, (("Set-Cookie", "a=b"),))) as server:
        async with transport(server.url) as opened:
            for _ in range(2):
                await opened.send(POST)
        assert [request.headers.get("cookie") for request in server.seen] == [None, None]


async def test_content_is_not_decoded() -> None:
    packed = gzip.compress(b"{}")
    async with StandIn({}, lambda _: Reply(200, (("Content-Encoding", "gzip"),), packed)) as server:
        found = await send(server.url)
        assert isinstance(found, Answer)
        assert found.body == packed


async def test_a_head_has_headers_and_no_body_and_leaves_the_connection_usable() -> None:
    async with StandIn({"photos": {"a.jpg": "E1"}, "b": {}}) as server, transport(server.url) as opened:
        for _ in range(3):
            found = await opened.send(head_object(ObjectRef("photos", "a.jpg")))
            assert isinstance(found, Answer)
            assert (found.status, found.headers["etag"], found.body) == (200, '"E1"', b"")
        assert isinstance(await opened.send(POST), Answer)


@pytest.mark.parametrize(
    ("request_", "size", "too_large"),
    [
        (POST, 65_536, False),
        (POST, 65_537, True),
        (GET, 65_537, False),
        (GET, 8 * 1024 * 1024, False),
        (GET, 8 * 1024 * 1024 + 1, True),
    ],
)
async def test_answers_are_read_up_to_a_limit(request_: Request, size: int, too_large: bool) -> None:
    async with StandIn({}, lambda _: Reply(200, (), b"x" * size)) as server:
        found = await send(server.url, request_)
    if too_large:
        assert code(found) == "AnswerTooLarge"
    else:
        assert isinstance(found, Answer)
        assert len(found.body) == size


def nobody_listens() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_refused_connection() -> None:
    found = await send(nobody_listens())
    assert code(found) == "ConnectionFailed"


async def close_at_once(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Says nothing."""


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"sys/saveas")
    bare: socket.socket = writer.get_extra_info("socket")
    # Lingering for no time makes the close a reset.
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close_unanswered(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"sys/saveas")


async def close_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"sys/saveas")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"sys/saveas")
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("handler", [close_at_once, reset, close_unanswered, close_in_the_middle, talk_nonsense])
async def test_a_connection_that_breaks_is_lost(handler: Handler) -> None:
    async with raw(handler) as url:
        assert code(await send(url)) == "ConnectionLost"


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"sys/saveas")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_an_answer_that_comes_too_slowly() -> None:
    async with raw(drip) as url:
        assert code(await send(url, total_s=0.3)) == "Timeout"


async def test_no_answer_at_all() -> None:
    async with StandIn({}, lambda _: Reply(delay_s=300)) as server:
        assert code(await send(server.url, total_s=0.3)) == "Timeout"


async def test_a_connection_that_is_not_accepted_in_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            await asyncio.sleep(0.1)
            async with transport(f"http://127.0.0.1:{address[1]}", connect_s=0.3) as opened:
                assert code(await opened.send(POST)) == "ConnectTimeout"
        finally:
            for one in waiting:
                one.close()


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"b_Yg")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()
    await reader.readuntil(b"b_Yg")


async def test_a_kept_connection_that_is_closed_when_used_again_is_stale() -> None:
    async with raw(answer_once) as url, transport(url) as opened:
        assert isinstance(await opened.send(POST), Answer)
        found = await opened.send(POST)
        assert code(found) == "StaleConnection"
        # The next one is made anew.
        assert isinstance(await opened.send(POST), Answer)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a self-signed certificate, with its key, for an address."""

    def make(address: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path_factory.mktemp("tls") / "certificate.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    return make


def tls_server(certificate: Path) -> AbstractAsyncContextManager[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return raw(answer_once, tls)


async def test_a_certificate_of_an_unknown_authority_is_final(certificates: Callable[[str], Path]) -> None:
    async with tls_server(certificates("127.0.0.1")) as url:
        found = await send(url)
    assert code(found) == "TlsFailed"
    assert isinstance(found, Failure)
    assert found.permanent


async def test_ones_own_authority_is_trusted_where_it_is_named(certificates: Callable[[str], Path]) -> None:
    certificate = certificates("127.0.0.1")
    async with tls_server(certificate) as url, transport(url, options=Options(ca_file=str(certificate))) as opened:
        assert isinstance(await opened.send(POST), Answer)


async def test_a_certificate_for_another_host_is_final(certificates: Callable[[str], Path]) -> None:
    certificate = certificates("127.0.0.2")
    async with tls_server(certificate) as url, transport(url, options=Options(ca_file=str(certificate))) as opened:
        assert code(await opened.send(POST)) == "TlsFailed"


async def test_loopback_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, nobody_listens())
    monkeypatch.delenv("no_proxy", raising=False)
    async with StandIn({"photos": {"a.jpg": "E"}, "b": {}}) as server:
        assert isinstance(await send(server.url), Answer)
        options = Options(proxy=nobody_listens())
        async with transport(server.url, options=options) as opened:
            assert isinstance(await opened.send(POST), Answer)


@pytest.mark.parametrize("by_environment", [True, False])
async def test_other_hosts_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch, by_environment: bool) -> None:
    async with StandIn({}, lambda _: Reply(200, (), b"{}")) as proxy:
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("http_proxy", proxy.url if by_environment else nobody_listens())
        options = Options(proxy="env" if by_environment else proxy.url)
        async with transport("http://oss.example.com", options=options) as opened:
            assert isinstance(await opened.send(POST), Answer)
        assert proxy.seen[0].target == "http://photos.oss.example.com/a.jpg?x-oss-process"
        assert proxy.seen[0].headers["host"] == "photos.oss.example.com"


def test_hosts_that_need_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    assert proxy_for("https", "oss.example.com", "env") == "http://proxy.example.com:3128"
    assert proxy_for("https", "photos.inside.example.com", "env") is None
    assert proxy_for("https", "oss.example.com", "none") is None


async def test_passwords_of_a_netrc_do_not_replace_our_signature(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with StandIn({"photos": {"a.jpg": "E"}, "b": {}}) as server:
        await send(server.url)
        assert server.seen[0].headers["authorization"] == "made up"


async def test_a_transport_has_to_be_opened() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await transport(URL_OF_NOBODY).send(POST)


async def test_the_password_of_a_proxy_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StandIn({}, lambda _: Reply(407, (), b"")) as proxy:
        url = proxy.url.replace("http://", "http://user:made-up-password@")
        async with transport("https://oss.example.com", options=Options(proxy=url)) as opened:
            found = await opened.send(POST)
    assert isinstance(found, Failure)
    assert code(found) == "ConnectionFailed"
    assert "407" in found.message
    assert "made-up-password" not in found.message


def test_a_proxy_that_is_no_url_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("https_proxy", "http://user:made-up-password@[bad")
    with pytest.raises(UsageError) as caught:
        proxy_for("https", "oss.example.com", "env")
    assert "made-up-password" not in str(caught.value)

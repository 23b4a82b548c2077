"""Endpoints and the URLs of requests."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.unit.oss.keys import HARD_KEYS
from worker.oss.encoding import percent
from worker.oss.endpoint import Addressing, Endpoint, is_loopback, is_path_style_host, parse_endpoint
from worker.oss.request import Request

VIRTUAL, PATH, CNAME = Addressing.VIRTUAL, Addressing.PATH, Addressing.CNAME


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://oss-cn-hangzhou.aliyuncs.com", Endpoint("https", "oss-cn-hangzhou.aliyuncs.com", VIRTUAL)),
        ("https://oss-cn-hangzhou.aliyuncs.com/", Endpoint("https", "oss-cn-hangzhou.aliyuncs.com", VIRTUAL)),
        ("HTTP://OSS.Example.COM:8080", Endpoint("http", "oss.example.com:8080", VIRTUAL)),
        ("http://my_oss:9000", Endpoint("http", "my_oss:9000", VIRTUAL)),
        ("http://oss.example.com.", Endpoint("http", "oss.example.com.", VIRTUAL)),
        ("http://127.0.0.1:8080", Endpoint("http", "127.0.0.1:8080", PATH)),
        ("http://10.0.0.1", Endpoint("http", "10.0.0.1", PATH)),
        ("http://[::1]:8080", Endpoint("http", "[::1]:8080", PATH)),
        ("http://[2001:db8::1]", Endpoint("http", "[2001:db8::1]", PATH)),
        ("http://localhost:1", Endpoint("http", "localhost:1", PATH)),
        ("http://oss.localhost:65535", Endpoint("http", "oss.localhost:65535", VIRTUAL)),
    ],
)
def test_an_endpoint_is_read_and_addressed_as_its_host_can_be(url: str, expected: Endpoint) -> None:
    assert parse_endpoint(url) == expected


@pytest.mark.parametrize("addressing", list(Addressing))
def test_the_addressing_that_is_asked_for_wins(addressing: Addressing) -> None:
    assert parse_endpoint("http://127.0.0.1:80", addressing).addressing is addressing
    assert parse_endpoint("http://example.com", addressing).addressing is addressing


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "begins with http:// or https://"),
        ("oss-cn-hangzhou.aliyuncs.com", "begins with http:// or https://"),
        ("ftp://example.com", "begins with http:// or https://"),
        ("https://", "names a host"),
        ("https:///key", "names a host"),
        ("https://:443", "names a host"),
        ("https://example.com/bucket", "nothing else"),
        ("https://example.com/?a", "nothing else"),
        ("https://example.com/#a", "nothing else"),
        ("https://user@example.com", "nothing else"),
        ("https://user:made-up@example.com", "nothing else"),
        ("https://user:made-up@ex\u2100mple.com", "nothing else"),
        ("https://example.com:99999", "not a URL: Port out of range"),
        ("https://example.com:http", "not a URL: Port"),
        ("https://[::1", "not a URL"),
        ("https://[example.com]", "not a URL"),
        ("https://example.com:0", "'example.com:0' is no host"),
        ("https://exam ple.com", "'exam ple.com' is no host"),
        ("https://a..b", "'a..b' is no host"),
        ("https://a%20b", "'a%20b' is no host"),
        ("https://照片.example.com", "'照片.example.com' is no host"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_reason_and_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_endpoint(url)
    assert reason in str(caught.value)
    assert "made-up" not in str(caught.value)


@pytest.mark.parametrize(
    ("addressing", "bucket", "key", "url"),
    [
        (VIRTUAL, "photos", "a/b.jpg", "https://photos.example.com:8443/a/b.jpg"),
        (VIRTUAL, "photos", "", "https://photos.example.com:8443/"),
        (VIRTUAL, "", "", "https://example.com:8443/"),
        (PATH, "photos", "a/b.jpg", "https://example.com:8443/photos/a/b.jpg"),
        (PATH, "photos", "", "https://example.com:8443/photos/"),
        (PATH, "", "", "https://example.com:8443/"),
        (CNAME, "photos", "a/b.jpg", "https://example.com:8443/a/b.jpg"),
        (CNAME, "photos", "", "https://example.com:8443/"),
    ],
)
def test_the_bucket_stands_where_the_addressing_says(addressing: Addressing, bucket: str, key: str, url: str) -> None:
    assert Endpoint("https", "example.com:8443", addressing).url(Request("GET", bucket, key)) == url


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ((), ""),
        ((("x-oss-process", ""),), "?x-oss-process"),
        ((("list-type", "2"), ("prefix", "a b/+&=%")), "?list-type=2&prefix=a%20b%2F%2B%26%3D%25"),
        ((("a b", "照"),), "?a%20b=%E7%85%A7"),
    ],
)
def test_the_query_is_encoded_and_a_parameter_without_a_value_has_no_equals_sign(
    query: tuple[tuple[str, str], ...], written: str
) -> None:
    url = Endpoint("http", "127.0.0.1", PATH).url(Request("GET", "photos", "k", query))
    assert url == f"http://127.0.0.1/photos/k{written}"


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b+c%20.jpg", "/a%20b%2Bc%2520.jpg"),
        ("a/../b//c", "/a/../b//c"),
        ("照片", "/%E7%85%A7%E7%89%87"),
        ('it\'s ("1")', "/it%27s%20%28%221%22%29"),
        ("\t\n\x7f", "/%09%0A%7F"),
        ("a?b#c&d=e;f", "/a%3Fb%23c%26d%3De%3Bf"),
        ("~-._", "/~-._"),
    ],
)
def test_a_key_is_percent_encoded_in_the_path(key: str, path: str) -> None:
    assert urlsplit(Endpoint("http", "h", CNAME).url(Request("GET", "photos", key))).path == path


@pytest.mark.parametrize("key", HARD_KEYS)
@pytest.mark.parametrize("addressing", list(Addressing))
def test_a_url_with_a_hard_key_passes_through_yarl_unchanged(key: str, addressing: Addressing) -> None:
    url = Endpoint("http", "example.com", addressing).url(Request("POST", "photos", key, (("x-oss-process", key),)))
    passed = URL(url, encoded=True)
    assert str(passed) == url
    # What aiohttp writes into the request line:
    assert passed.raw_path_qs == url.partition("example.com")[2]


@given(st.text(max_size=200), st.dictionaries(st.text(min_size=1), st.text(), max_size=3))
def test_any_key_and_query_come_out_of_the_url_as_they_went_in(key: str, query: dict[str, str]) -> None:
    url = Endpoint("http", "h", CNAME).url(Request("GET", "photos", key, tuple(query.items())))
    assert url.isascii()
    assert url.isprintable()
    path, _, written = url.removeprefix("http://h/").partition("?")
    assert unquote(path) == key
    pairs = [part.partition("=") for part in written.split("&") if part]
    assert {unquote(name): unquote(value) for name, _, value in pairs} == query
    assert str(URL(url, encoded=True)) == url
    assert percent(key, safe="/") == path


@pytest.mark.parametrize("host", ["localhost", "photos.localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "notlocalhost", "128.0.0.1", "::2", "example.com", ""])
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "by_path"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("photos.localhost", False), ("example.com", False)],
)
def test_a_bucket_cannot_stand_before_an_address(host: str, by_path: bool) -> None:
    assert is_path_style_host(host) is by_path

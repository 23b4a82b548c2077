"""Percent-encoding and base64."""

import base64
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.oss.encoding import from_base64, percent, to_base64


@given(st.text())
def test_percent_encoding_leaves_only_what_signing_leaves_and_comes_back(text: str) -> None:
    encoded = percent(text)
    assert re.fullmatch("(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", encoded)
    assert unquote(encoded) == text


@given(st.text(alphabet="/ab%+ ~é"))
def test_slashes_stay_where_they_are_safe(text: str) -> None:
    assert percent(text, safe="/") == "/".join(percent(part) for part in text.split("/"))


@given(st.text())
def test_base64_is_url_safe_without_padding_and_comes_back(text: str) -> None:
    encoded = to_base64(text)
    assert re.fullmatch("[A-Za-z0-9_-]*", encoded)
    assert from_base64(encoded) == text


@given(st.text(), st.booleans(), st.booleans())
def test_base64_is_read_in_either_alphabet_padded_or_not(text: str, url_safe: bool, padded: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    value = encode(text.encode()).decode()
    assert from_base64(value if padded else value.rstrip("=")) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("out/example.jpg", "b3V0L2V4YW1wbGUuanBn"),
        ("destbucket", "ZGVzdGJ1Y2tldA"),
        ("out/dir/sub dir/照片+1 (copy)&a=b%20?.jpg", "b3V0L2Rpci9zdWIgZGlyL-eFp-eJhysxIChjb3B5KSZhPWIlMjA_LmpwZw"),
        ("wqy-zenhei", "d3F5LXplbmhlaQ"),
    ],
)
def test_base64_is_that_of_the_documentation(text: str, value: str) -> None:
    assert to_base64(text) == value
    assert from_base64(value) == text


@pytest.mark.parametrize("value", ["a", "a b=", "a*bc", "ab\n", "_w", "照片", "ab=cd", "****", "YWJj****", "\ud800"])
def test_what_is_not_base64_of_text_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not base64 of UTF-8 text"):
        from_base64(value)

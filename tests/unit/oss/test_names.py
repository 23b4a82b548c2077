"""Names of buckets and keys."""

import pytest

from worker.oss.names import MAX_KEY_BYTES, ObjectRef, bucket_problem, key_problem


@pytest.mark.parametrize("name", ["abc", "a-b", "0-9", "a--b", "123", "a" * 63])
def test_a_name_within_the_rules_is_a_bucket(name: str) -> None:
    assert bucket_problem(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "ab", "a" * 64, "-ab", "ab-", "Abc", "a_b", "a.b", "a b", "abc\n", "照照照", "\u0661\u0662\u0663", "abé"],
)
def test_a_name_outside_the_rules_is_no_bucket(name: str) -> None:
    problem = bucket_problem(name)
    assert problem is not None
    assert "3 to 63 lower-case letters" in problem


@pytest.mark.parametrize("key", ["a", "a/b", "a\\b", " ", ".", "..", "照" * 341, "a" * MAX_KEY_BYTES, "\n"])
def test_a_key_within_the_rules_is_a_key(key: str) -> None:
    assert key_problem(key) is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "cannot be empty"),
        ("a" * (MAX_KEY_BYTES + 1), "at most 1023 bytes of UTF-8, this one has 1024"),
        ("照" * 342, "this one has 1026"),
        ("/a", "cannot begin with '/' or"),
        ("\\a", "cannot begin with '/' or"),
        ("a\ud800", "is UTF-8 text"),
    ],
)
def test_a_key_outside_the_rules_is_no_key(key: str, reason: str) -> None:
    assert reason in (key_problem(key) or "")


def test_an_object_is_written_as_a_url() -> None:
    assert str(ObjectRef("photos", "a b.jpg")) == "oss://photos/a b.jpg"

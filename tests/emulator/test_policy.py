"""What policies say of an action on a resource, and what is no policies file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.emulator.access.accounts import Access
from worker.emulator.access.policy import FULL_ACCESS, Effect, Policy, Ruling, Statement, judge
from worker.emulator.access.reading import read_access
from worker.emulator.access.rights import RIGHTS, resource
from worker.emulator.operations import OPERATIONS
from worker.emulator.patterns import matches
from worker.errors import UsageError

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
OBJECT = resource("photos", "dir/a:b.jpg", "cn-hangzhou")


def ruling(*statements: tuple[str, str, str], action: str = "oss:GetObject", on: str = OBJECT) -> Ruling:
    made = tuple(Statement(Effect(effect), (asked,), (where,)) for effect, asked, where in statements)
    return judge([Policy(made[:1]), Policy(made[1:])], action, on)


@pytest.mark.parametrize(
    ("action", "where", "allowed"),
    [
        ("oss:GetObject", "acs:oss:*:*:photos/dir/a:b.jpg", True),
        ("oss:GetObject", "acs:oss:*:*:photos/*", True),
        ("oss:GetObject", "acs:oss:*:*:photos*", True),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:*:photos/*", True),
        ("oss:GetObject", "acs:oss:oss-cn-beijing:*:photos/*", False),
        ("oss:GetObject", "acs:oss:*:1000000000000000:photos/*", True),
        ("oss:GetObject", "acs:oss:*:2:photos/*", False),
        ("oss:GetObject", "acs:oss:*:*:photos", False),
        ("oss:GetObject", "acs:oss:*:*:photo", False),
        ("oss:GetObject", "acs:oss:*:*:photos/dir/?:b.jpg", True),
        ("oss:GetObject", "acs:oss:*:*:photos/dir/a?.jpg", False),
        ("oss:GetObject", "acs:oss:*:*:b.jpg", False),
        ("oss:GetObject", "acs:oss:*:*:*.jpg", True),
        ("oss:GetObject", "*", True),
        ("oss:Get*", "*", True),
        ("oss:*", "*", True),
        ("*", "*", True),
        ("OSS:getobject", "*", True),
        ("oss:GetObjec", "*", False),
        ("oss:GetObjectAcl", "*", False),
        ("oss:GetObjec?", "*", True),
        ("oss:.*", "*", False),
        ("ecs:*", "*", False),
    ],
)
def test_a_statement_covers_what_its_patterns_match(action: str, where: str, allowed: bool) -> None:
    assert ruling(("Allow", action, where)) is (Ruling.ALLOWED if allowed else Ruling.IMPLICIT_DENY)


def test_what_nobody_allows_is_denied_and_a_deny_wins_over_every_allow() -> None:
    assert judge([], "oss:GetObject", OBJECT) is Ruling.IMPLICIT_DENY
    assert judge([FULL_ACCESS], "oss:GetObject", OBJECT) is Ruling.ALLOWED
    allow, deny = ("Allow", "*", "*"), ("Deny", "oss:GetObject", "acs:oss:*:*:photos/dir/*")
    for statements in [(allow, deny), (deny, allow)]:
        assert ruling(*statements) is Ruling.EXPLICIT_DENY
        assert ruling(*statements, action="oss:PutObject") is Ruling.ALLOWED
        assert ruling(*statements, on=resource("photos", "other", "cn-hangzhou")) is Ruling.ALLOWED


@given(bucket=st.text("ab-", min_size=1), key=st.text(":/*?ab", min_size=1), other=st.text(":/ab", min_size=1))
def test_a_pattern_of_one_bucket_never_covers_another(bucket: str, key: str, other: str) -> None:
    one = Statement(Effect.ALLOW, ("*",), (f"acs:oss:*:*:x{bucket}/*",))
    assert not one.covers("oss:GetObject", resource("y", f"{key}:x{bucket}/{other}", "r"))
    assert one.covers("oss:GetObject", resource(f"x{bucket}", key, "r"))


def test_every_operation_has_its_rights() -> None:
    assert set(RIGHTS) == set(OPERATIONS)


GOOD = """\
version: 1
buckets: {photos: cn-hangzhou, far: cn-beijing}
keys:
  - id: reader
    secret: made-up-reader-secret
    policies: &read
      - Version: "1"
        Statement:
          - Effect: Allow
            Action: [oss:GetObject, oss:ListObjects]
            Resource: ["acs:oss:*:*:photos", "acs:oss:*:*:photos/*"]
          - {Effect: Deny, Action: "oss:*", Resource: "acs:oss:*:*:photos/private/*"}
  - id: temporary
    secret: 0123
    token: made-up-token
    expires: 15m
    policies: *read
  - {id: gone, secret: x, disabled: true, policies: [full-access]}
  - {id: nobody, secret: x}
  - {id: other, secret: x, policies: [policy.json], token: t, expires: 2026-11-23T09:00:00+01:00}
"""


def read(folder: Path, text: str, name: str = "policies.yaml") -> Access:
    (folder / name).write_text(text, "utf-8")
    return read_access(folder / name, NOW)


def test_a_policies_file_says_who_may_what(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text('{\n\t"Version": "1",\n\t"Statement": []\n}')
    access = read(tmp_path, GOOD)
    reader, temporary, gone, nobody, other = access.accounts
    assert access.buckets == {"photos": "cn-hangzhou", "far": "cn-beijing"}
    assert reader.credentials.access_key_secret == "made-up-reader-secret"
    assert judge(reader.policies, "oss:GetObject", OBJECT) is Ruling.ALLOWED
    private = resource("photos", "private/a", "cn-hangzhou")
    assert judge(reader.policies, "oss:GetObject", private) is Ruling.EXPLICIT_DENY
    assert temporary.policies == reader.policies
    assert temporary.credentials.access_key_secret == "0123"
    assert (temporary.credentials.security_token, temporary.expires) == ("made-up-token", NOW + timedelta(minutes=15))
    assert (gone.disabled, gone.policies) == (True, (FULL_ACCESS,))
    assert (nobody.disabled, nobody.policies) == (False, ())
    assert (other.policies, other.expires) == ((Policy(()),), NOW - timedelta(minutes=30))


def test_json_says_the_same(tmp_path: Path) -> None:
    keys = [
        {
            "id": "a",
            "secret": "s",
            "policies": [{"Version": "1", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}],
        }
    ]
    access = read(tmp_path, json.dumps({"version": 1, "keys": keys}, indent="\t"), "policies.json")
    assert access.accounts[0].policies == (FULL_ACCESS,)


def statement(text: str) -> str:
    return f"""version: 1
keys:
  - id: a
    secret: s
    policies:
      - Version: "1"
        Statement:
          - {text}
"""


ALLOW = "Effect: Allow, Action: oss:GetObject, Resource: '*'"


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", "", "empty"),
        ("version: 1\n}\n", "2:1", "neither YAML nor JSON"),
        ("- a\n", "1:1", "a mapping is due"),
        ("version: 2\nkeys: []\n", "1:10", "'2' is none of the values"),
        ("version: 1\n", "1:1", "keys is missing"),
        ("version: 1\nkeys: []\nkeys: []\n", "3:1", "twice"),
        ("version: 1\nkeys: []\nbukets: {}\n", "3:1", "did you mean buckets?"),
        ("version: 1\nkeys: {}\n", "2:7", "a list is due"),
        ("version: 1\nkeys: [a]\n", "2:8", "a mapping is due"),
        ("version: 1\nkeys: [{id: a}]\n", "2:8", "secret is missing"),
        ("version: 1\nkeys: [{id: 'a b', secret: s}]\n", "2:13", "letters, digits"),
        ("version: 1\nkeys: [{id: a, secret: ''}]\n", "2:24", "empty"),
        ("version: 1\nkeys: [{id: a, secret: null}]\n", "2:24", "a text is due"),
        ("version: 1\nkeys: [{id: a, secret: s}, {id: a, secret: s}]\n", "2:28", "twice"),
        ("version: 1\nkeys: [{id: a, secret: s, expires: 1m}]\n", "2:36", "only temporary keys"),
        ("version: 1\nkeys: [{id: a, secret: s, token: t, expires: soon}]\n", "2:46", "no duration"),
        ("version: 1\nkeys: [{id: a, secret: s, token: t, expires: 2026-11-23T08:30:00}]\n", "2:46", "with a zone"),
        ("version: 1\nkeys: [{id: a, secret: s, token: t, expires: 99999999999h}]\n", "2:46", "longer than a year"),
        ('version: 1\nkeys: [{id: a, secret: "\\u0001"}]\n', "2:24", "cannot be seen"),
        ('version: 1\nkeys: [{id: a, secret: s, policies: ["a\\0b"]}]\n', "2:38", "cannot be seen"),
        ("version: 1\nkeys: [{id: a, secret: s, disabled: maybe}]\n", "2:37", "'maybe' is none"),
        ("version: 1\nkeys: [{id: a, secret: s, policies: [missing.json]}]\n", "missing.json", "cannot be read"),
        ("version: 1\nkeys: []\nbuckets: {Photos: cn-hangzhou}\n", "3:11", "is no bucket"),
        ("version: 1\nkeys: []\nbuckets: {photos: oss-cn-hangzhou}\n", "3:19", "without `oss-`"),
        (statement("{Action: oss:GetObject, Resource: '*'}"), "8:13", "Effect is missing"),
        (statement("{Effect: allow, Action: oss:GetObject, Resource: '*'}"), "8:22", "Allow"),
        (statement(f"{{{ALLOW}, Condition: {{}}}}"), "8:67", "Condition is not supported"),
        (statement("{Effect: Allow, NotAction: oss:GetObject, Resource: '*'}"), "8:29", "NotAction is not supported"),
        (statement("{Effect: Allow, Action: GetObject, Resource: '*'}"), "8:37", "is no action"),
        (statement("{Effect: Allow, Action: '*', Resource: photos/*}"), "8:52", "is no resource"),
        (statement("{Effect: Allow, Action: '*', Resource: 'acs:ecs:*:*:photos/*'}"), "8:52", "is no resource"),
        (statement("{Effect: Allow, Action: '*', Resource: 'acs:oss:*:photos/*'}"), "8:52", "is no resource"),
        ("version: 1\nkeys: [{id: a, secret: s, policies: [{Version: '2', Statement: []}]}]\n", "2:48", "'2' is none"),
        ("a: &a [*a]\n", "", ""),
    ],
)
def test_what_is_no_policies_file_is_told_with_its_place_and_mend(
    tmp_path: Path, text: str, place: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 64
    assert place in str(caught.value)
    assert told in str(caught.value)
    assert "mend:" in str(caught.value)


def test_no_error_repeats_a_secret(tmp_path: Path) -> None:
    for text in (
        "version: 1\nkeys: [{id: a, secret: do-not-tell, expirs: 1}]\n",
        "version: 1\nkeys:\n- {id: a, token: do-not-tell, : ]\n",
        "version: 1\nkeys:\n- id: a\n  secret: [do-not-tell]\n",
    ):
        with pytest.raises(UsageError) as caught:
            read(tmp_path, text)
        assert "do-not-tell" not in str(caught.value)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"version: \xff")
    (tmp_path / "large").write_bytes(b" " * ((1 << 20) + 1))
    for name, told in (("missing", "cannot be read"), ("latin", "not UTF-8"), ("large", "larger"), ("", "cannot be")):
        with pytest.raises(UsageError, match=told):
            read_access(tmp_path / name, NOW)


def test_no_repr_holds_a_secret(tmp_path: Path) -> None:
    text = "version: 1\nkeys: [{id: a, secret: do-not-tell, token: do-not-tell}]\n"
    assert "do-not-tell" not in repr(read(tmp_path, text))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a[1].jpg", "a[1].jpg", True),
        ("a[1].jpg", "a1.jpg", False),
        ("a?c*", "abcdef", True),
        ("*", "a\nb", True),
        ("a", "A", False),
        ("*b*b", "abab", True),
        ("a*a", "a", False),
        ("*ab*", "aab", True),
        ("a**?c", "abbc", True),
        ("*a" * 20 + "*b", "a" * 1023, False),  # in no time
    ],
)
def test_only_the_star_and_the_question_mark_have_a_meaning(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits

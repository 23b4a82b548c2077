"""Which faults a request meets: a decision without clock or network; and what is no faults file."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.emulator.faults.deciding import Decision, Faults, Seen
from worker.emulator.faults.reading import parse_rule, read_faults
from worker.emulator.faults.rules import FORMS, Fault, Rule, Schedule
from worker.errors import UsageError

GET = Seen("GetObject", "photos", "a.jpg")
POST = Seen("ProcessObject", "photos", "a.jpg", draws=True, source_bytes=400_000)


def struck(faults: Faults, count: int, seen: Seen = GET) -> list[int]:
    return [number for number in range(1, count + 1) if faults.begin(seen, 0.0).rule]


def reset(**when: object) -> Faults:
    return Faults([Rule(fault=Fault.RESET, when=Schedule(**when))])  # type: ignore[arg-type]  # any of its fields


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ({}, list(range(1, 11))),
        ({"nth": frozenset({3})}, [3]),
        ({"nth": frozenset({1, 4})}, [1, 4]),
        ({"every": 4}, [4, 8]),
        ({"first": 8}, [8, 9, 10]),
        ({"last": 2}, [1, 2]),
        ({"first": 3, "last": 7, "every": 2}, [4, 6]),
        ({"probability": 0.0}, []),
    ],
)
def test_a_schedule_strikes_by_count(when: dict[str, object], wanted: list[int]) -> None:
    assert struck(reset(**when), 10) == wanted


def test_a_probability_is_kept_and_the_same_seed_strikes_the_same() -> None:
    rule = Rule(fault=Fault.RESET, when=Schedule(probability=0.3))
    first, again, other = (struck(Faults([rule], seed), 2000) for seed in (1, 1, 2))
    assert first == again != other
    assert 500 < len(first) < 700


@pytest.mark.parametrize("fault", [Fault.WRONG_JSON, Fault.WRONG_TARGET, Fault.EMPTY_ANSWER])
def test_an_answer_without_a_body_is_not_spoiled_and_another_rule_may_strike_it(fault: Fault) -> None:
    faults = Faults([Rule(fault=fault), Rule(fault=Fault.RESET)])
    for operation, wanted in (("GetObject", fault), ("HeadObject", Fault.RESET), ("GetObjectMeta", Fault.RESET)):
        rule = faults.begin(Seen(operation, "photos", "a.jpg"), 0.0).rule
        assert rule is not None
        assert rule.fault is wanted


def test_a_rule_is_for_its_operations_buckets_and_keys_and_counts_only_these() -> None:
    rule = Rule(fault=Fault.RESET, operations=("Head*", "GetObject"), bucket="ph*", key="*.jpg", when=Schedule(every=2))
    faults = Faults([rule])
    others = [
        Seen("PutObject", "photos", "a.jpg"),
        Seen("GetObject", "other", "a.jpg"),
        Seen("GetObject", "photos", "a.png"),
    ]
    assert not any(faults.begin(seen, 0.0).rule for seen in others * 5)
    assert [bool(faults.begin(seen, 0.0).rule) for seen in (GET, Seen("HeadObject", "photos", "b/c.jpg"))] == [
        False,
        True,
    ]


def test_counts_can_be_kept_for_each_object_apart() -> None:
    faults = reset(nth=frozenset({1}), per_key=True)
    seen = [Seen("GetObject", bucket, key) for bucket in ("photos", "other") for key in ("a", "b")]
    assert all(faults.begin(each, 0.0).rule for each in seen)
    assert not any(faults.begin(each, 0.0).rule for each in seen)


def test_delays_and_skews_add_up_and_the_first_fault_that_strikes_decides() -> None:
    faults = Faults(
        [
            Rule(fault=Fault.LATENCY, seconds=1, jitter=0.5),
            Rule(fault=Fault.HANG, when=Schedule(nth=frozenset({2}))),
            Rule(fault=Fault.LATENCY, seconds=2),
            Rule(fault=Fault.RESET),
            Rule(fault=Fault.CLOCK_SKEW, seconds=-60),
            Rule(fault=Fault.CLOCK_SKEW, seconds=10),
        ]
    )
    found = [faults.begin(GET, 0.0) for _ in range(50)]
    assert [decision.rule.fault for decision in found[:3] if decision.rule] == [Fault.RESET, Fault.HANG, Fault.RESET]
    assert all(3 <= decision.delay_s < 3.5 for decision in found)
    assert len({decision.delay_s for decision in found}) > 40
    assert {decision.skew_s for decision in found} == {-50}


def test_the_schedule_of_one_rule_does_not_change_what_another_strikes() -> None:
    chancy = Rule(fault=Fault.RESET, when=Schedule(probability=0.5))
    for when in (Schedule(probability=0.0), Schedule(every=7)):
        one = Faults([Rule(fault=Fault.CLOCK_SKEW, when=Schedule()), chancy], 5)
        other = Faults([Rule(fault=Fault.CLOCK_SKEW, when=when), chancy], 5)
        assert struck(one, 100) == struck(other, 100)


@given(
    rate=st.floats(0.2, 50),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=80),
)
def test_a_qps_limit_never_lets_more_through_than_it_says_and_refuses_nothing_below(
    rate: float, gaps: list[float]
) -> None:
    faults = Faults([Rule(fault=Fault.QPS_LIMIT, limit=rate)])
    now, passed = 0.0, []
    for gap in gaps:
        now += gap
        if faults.begin(GET, now).rule is None:
            passed.append(now)
    length, most = max(1.0, 1 / rate), max(1, int(rate))
    for start in passed:
        assert len([at for at in passed if start <= at < start + length]) <= most
    if all(gap > 1.001 / most * length for gap in gaps):
        assert len(passed) == len(gaps)


def test_a_source_limit_counts_bytes_of_pictures_and_lets_a_larger_one_through_alone() -> None:
    faults = Faults([Rule(fault=Fault.SOURCE_LIMIT, limit=1)])
    assert faults.measure_sources
    assert not reset().measure_sources
    assert [faults.begin(POST, 0.1 * step).rule is None for step in range(5)] == [True, True, False, False, False]
    assert all(faults.begin(GET, 0.5).rule is None for _ in range(5))
    assert faults.begin(POST, 1.05).rule is None
    large = Seen("ProcessObject", "photos", "b", draws=True, source_bytes=5_000_000)
    assert faults.begin(large, 1.2).rule is not None
    assert faults.begin(large, 9.0).rule is None


def test_a_cpu_limit_counts_pictures_under_way() -> None:
    faults = Faults([Rule(fault=Fault.CPU_LIMIT, limit=2)])
    one, two, three = (faults.begin(POST, 0.0) for _ in range(3))
    assert (one.rule, two.rule) == (None, None)
    assert three.rule is not None
    assert faults.begin(GET, 0.0) == Decision()
    faults.end(three)
    assert faults.begin(POST, 0.0).rule is not None
    faults.end(one)
    four = faults.begin(POST, 0.0)
    assert four.rule is None
    faults.end(four)
    faults.end(two)
    assert [faults.begin(POST, 0.0).rule is None for _ in range(3)] == [True, True, False]


def test_a_request_that_is_refused_by_another_limit_is_not_under_way() -> None:
    faults = Faults([Rule(fault=Fault.CPU_LIMIT, limit=1), Rule(fault=Fault.QPS_LIMIT, limit=1)])
    faults.end(faults.begin(POST, 0.0))
    assert [faults.begin(POST, 0.1).rule for _ in range(2)] == [Rule(fault=Fault.QPS_LIMIT, limit=1)] * 2


def test_an_expired_token_needs_a_token() -> None:
    faults = Faults([Rule(fault=Fault.EXPIRED_TOKEN)])
    assert faults.begin(GET, 0.0).rule is None
    assert faults.begin(Seen("GetObject", "photos", "a", has_token=True), 0.0).rule is not None


ALL = """\
version: 1
seed: 7
faults:
  - {fault: latency, seconds: 250ms, jitter: 0.1s, operation: "*"}
  - {fault: answer, status: 503, code: CpuLimitExceeded, message: "", ec: 0004-00000801, retry_after: 1, every: 5}
  - {fault: answer, status: 500, code: InternalError, processed: true, operation: ProcessObject, key: "*.jpg"}
  - {fault: reset, probability: 0.01, bucket: photos}
  - {fault: reset, processed: true, nth: [1, 3], per_key: true}
  - {fault: hang, from: 2, to: 4}
  - {fault: half-body, operation: [GetObject, List*]}
  - {fault: slow-body, seconds: 2}
  - {fault: wrong-json}
  - {fault: wrong-target, processed: false}
  - {fault: empty-answer, nth: 1}
  - {fault: qps-limit, limit: 50}
  - {fault: source-limit, limit: 0.5}
  - {fault: cpu-limit, limit: 4}
  - {fault: clock-skew, seconds: -20m}
  - {fault: expired-token}
"""


def test_a_faults_file_holds_rules(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text(ALL)
    rules = read_faults(tmp_path / "faults.yaml")._rules
    assert {rule.fault for rule in rules} == set(Fault)
    assert rules[0] == Rule(fault=Fault.LATENCY, seconds=0.25, jitter=0.1)
    assert rules[1] == Rule(
        fault=Fault.ANSWER,
        status=503,
        code="CpuLimitExceeded",
        message="",
        ec="0004-00000801",
        retry_after="1",
        when=Schedule(every=5),
    )
    assert (rules[2].operations, rules[2].key, rules[2].processed) == (("ProcessObject",), "*.jpg", True)
    assert rules[4].when == Schedule(nth=frozenset({1, 3}), per_key=True)
    assert rules[5].when == Schedule(first=2, last=4)
    assert [rule.processed for rule in rules[8:11]] == [True, False, True]
    assert rules[14].seconds == -1200
    assert parse_rule("{fault: reset, nth: 2}") == Rule(fault=Fault.RESET, when=Schedule(nth=frozenset({2})))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{}", "fault is missing"),
        ("{fault: resett}", "write reset"),
        ("{fault: latency}", "seconds is missing"),
        ("{fault: latency, seconds: soon}", "no duration"),
        ("{fault: latency, seconds: -1}", "negative"),
        ("{fault: latency, seconds: 1, jitter: -1}", "negative"),
        ("{fault: reset, seconds: 1}", "'seconds' is not known here"),
        ("{fault: answer, status: 200, code: OK}", "from 400 to 599"),
        ("{fault: answer, status: 503}", "code is missing"),
        ("{fault: reset, operation: PutObjekt}", "write PutObject"),
        ("{fault: reset, probability: 1.5}", "from 0 to 1"),
        ("{fault: reset, probability: half}", "from 0 to 1"),
        ("{fault: reset, nth: 0}", "whole number from 1"),
        ("{fault: reset, nth: []}", "is empty"),
        ("{fault: reset, every: -2}", "whole number from 1"),
        ("{fault: reset, from: 5, to: 4}", "never strikes"),
        ("{fault: reset, per_key: maybe}", "'maybe'"),
        ("{fault: qps-limit, limit: 0}", "from 0.001"),
        ("{fault: reset, key: ''}", "empty"),
        ("{fault: reset, fault: hang}", "twice"),
        ("{fault: clock-skew, seconds: -99999999999999h}", "longer than a year"),
    ],
)
def test_what_is_no_rule_is_told_with_its_place(tmp_path: Path, rule: str, told: str) -> None:
    (tmp_path / "faults.yaml").write_text(f"version: 1\nfaults:\n  - {rule}\n")
    with pytest.raises(UsageError) as caught:
        read_faults(tmp_path / "faults.yaml")
    assert f"{tmp_path}/faults.yaml:3:" in str(caught.value)
    assert told in str(caught.value)
    assert "mend:" in str(caught.value)


def test_every_fault_and_parameter_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/local-oss-faults.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for fault, form in FORMS.items():
        assert all(f"`{name}`" in rows[fault] for name in (*form.needs, *form.takes)), fault
    for name in ("operation", "bucket", "key", "probability", "nth", "every", "from", "to", "per_key"):
        assert name in rows


def test_counts_of_neighbouring_probabilities_differ() -> None:
    counts = [len(struck(reset(probability=share / 10), 1000)) for share in range(11)]
    assert all(lower < higher for lower, higher in pairwise(counts))

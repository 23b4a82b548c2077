"""Arguments that are more than a word, and names from the environment."""

import re

import pytest

from tests.fakes import EPOCH
from worker import arguments
from worker.batch.task import Shard
from worker.errors import UsageError


def test_a_shard_is_a_part_of_a_whole() -> None:
    assert arguments.shard("0/1", {}) == Shard(0, 1)
    assert arguments.shard("3/4", {"JOB_COMPLETION_INDEX": "1", "OSS_SAVEAS_SHARDS": "2"}) == Shard(3, 4)


@pytest.mark.parametrize(
    "text", ["", "1", "4/4", "-1/4", "1/0", "0/0", "1/4/2", " 1/4", "1/4 ", "a/b", "\u0660/\u0661", "0/9999999"]
)
def test_what_is_no_part_of_a_whole_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="0/4"):
        arguments.shard(text, {})


def test_a_pod_of_an_indexed_job_does_its_own_shard() -> None:
    assert arguments.shard(None, {}) == arguments.shard(None, {"OSS_SAVEAS_SHARDS": "1"}) == Shard(0, 1)
    for index, count in ((0, 1), (0, 8), (7, 8)):
        pod = {"JOB_COMPLETION_INDEX": str(index), "OSS_SAVEAS_SHARDS": str(count)}
        assert arguments.shard(None, pod) == Shard(index, count)


@pytest.mark.parametrize(
    ("index", "count", "named"),
    [
        ("8", "8", "OSS_SAVEAS_SHARDS"),
        ("0", "", "OSS_SAVEAS_SHARDS"),
        ("3", "", "OSS_SAVEAS_SHARDS"),
        ("", "4", "JOB_COMPLETION_INDEX"),
        ("-1", "4", "JOB_COMPLETION_INDEX"),
        ("1", "0", "JOB_COMPLETION_INDEX"),
        ("a", "4", "JOB_COMPLETION_INDEX"),
        ("1", "4 ", "OSS_SAVEAS_SHARDS"),
    ],
)
def test_a_pod_that_does_not_know_its_shard_does_nothing(index: str, count: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        arguments.shard(None, {"JOB_COMPLETION_INDEX": index, "OSS_SAVEAS_SHARDS": count})


def test_durations_have_a_unit() -> None:
    found = {text: arguments.seconds("--max-duration", text) for text in ("90s", "45m", "2h", "1.5d", "0s")}
    assert found == {"90s": 90, "45m": 2700, "2h": 7200, "1.5d": 129_600, "0s": 0}


@pytest.mark.parametrize("text", ["", "90", "h", "-1h", "1w", "1h30m", "1,5h", ".5h", "1h\n", "infs", "٣h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2h"):
        arguments.seconds("--max-duration", text)


def test_processes_are_a_number_or_one_for_each_core() -> None:
    assert arguments.processes("3", lambda: 8) == 3
    assert arguments.processes("auto", lambda: 8) == 8
    assert arguments.processes("auto", lambda: 1000) == 64


@pytest.mark.parametrize("text", ["", "0", "-1", "65", "1.5", "all", " 2", "\u0662"])
def test_what_is_no_number_of_processes_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1 to 64, or auto"):
        arguments.processes(text, lambda: 8)


def test_exit_codes_are_those_of_a_run() -> None:
    assert arguments.exit_codes("") == frozenset()
    assert arguments.exit_codes("3,5") == {3, 5}
    assert arguments.exit_codes("75, 3,") == {75, 3}


@pytest.mark.parametrize("text", ["2", "3;5", "x", "-1", "256"])
def test_other_numbers_are_no_exit_codes(text: str) -> None:
    with pytest.raises(UsageError, match="known: 0, 1, 3"):
        arguments.exit_codes(text)


def test_limits_are_shared_by_as_many_as_there_are_shards_or_as_the_environment_says() -> None:
    assert arguments.parallelism({}, Shard(1, 4)) == 4
    assert arguments.parallelism({"OSS_SAVEAS_PARALLELISM": ""}, Shard(1, 4)) == 4
    assert arguments.parallelism({"OSS_SAVEAS_PARALLELISM": "2"}, Shard(1, 4)) == 2
    for wrong in ("0", "-1", "two", "1.5", "²"):
        with pytest.raises(UsageError, match="OSS_SAVEAS_PARALLELISM"):
            arguments.parallelism({"OSS_SAVEAS_PARALLELISM": wrong}, Shard(0, 1))


def test_a_run_is_named_by_its_start_or_by_the_environment() -> None:
    assert re.fullmatch(r"20261123T080000Z-[0-9a-f]{4}", arguments.run_name({}, EPOCH))
    assert arguments.run_name({"OSS_SAVEAS_RUN": "night-2026.11"}, EPOCH) == "night-2026.11"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-flag", "checkpoint", "a b", "a" * 129, "雪", "a\n"])
def test_names_that_no_directory_should_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="OSS_SAVEAS_RUN"):
        arguments.run_name({"OSS_SAVEAS_RUN": name}, EPOCH)

"""Tasks: their identity, and the shards they fall into."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.batch.task import Shard, Task, target_digest, text_digest
from worker.oss.names import ObjectRef

ETAG = "5B3C1A2E053D763E1B002CC607C5A0FE"
TARGET = ObjectRef("renditions", "thumbs/照片 1_100.jpg")
TASK = Task("thumb", ObjectRef("photos", "products/照片 1.jpg"), ETAG, 1234, "image/resize,w_100", TARGET)

TEXTS = st.text(alphabet="ab\0\x01照", max_size=4)
# All that a task id stands for, in its order.
FIELDS = st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)


def task_id(fields: tuple[str, str, str, str, str, str, str]) -> bytes:
    bucket, key, etag, process, revision, target_bucket, target_key = fields
    target = ObjectRef(target_bucket, target_key)
    return Task("any", ObjectRef(bucket, key), None, None, process, target, revision).id(etag)


def test_a_task_has_the_id_of_the_contract() -> None:
    assert TASK.id(ETAG).hex() == "b558e9bdb5369c99714c2394b193d184"


def test_a_target_has_the_digest_and_the_shard_of_the_contract() -> None:
    digest = target_digest(TARGET)
    assert digest.hex() == "2dc147d14fe7147a57b09b89fa6f72ca"
    assert [index for index in range(8) if Shard(index, 8).holds(digest)] == [2]
    assert Shard(0x2DC147D14FE7147A % 1009, 1009).holds(digest)


@given(FIELDS, FIELDS)
def test_different_fields_never_give_the_same_id(
    one: tuple[str, str, str, str, str, str, str], other: tuple[str, str, str, str, str, str, str]
) -> None:
    assert (task_id(one) == task_id(other)) is (one == other)


@given(FIELDS, st.integers(0, 5), st.integers(0, 4))
def test_text_that_moves_from_one_field_to_the_next_makes_another_task(
    fields: tuple[str, str, str, str, str, str, str], index: int, count: int
) -> None:
    moved = list(fields)
    cut = len(moved[index]) - min(count, len(moved[index]))
    moved[index], moved[index + 1] = moved[index][:cut], moved[index][cut:] + moved[index + 1]
    assume(moved != list(fields))
    assert task_id((moved[0], moved[1], moved[2], moved[3], moved[4], moved[5], moved[6])) != task_id(fields)


@pytest.mark.parametrize(
    "changed",
    [
        replace(TASK, source=ObjectRef("photos2", TASK.source.key)),
        replace(TASK, source=ObjectRef("photos", "other.jpg")),
        replace(TASK, process="image/resize,w_101"),
        replace(TASK, revision="1"),
        replace(TASK, target=ObjectRef("renditions2", TARGET.key)),
        replace(TASK, target=ObjectRef("renditions", "other.jpg")),
    ],
)
def test_another_source_recipe_or_target_is_another_task(changed: Task) -> None:
    assert changed.id(ETAG) != TASK.id(ETAG)
    assert TASK.id(ETAG) != TASK.id("")


def test_the_name_of_the_pipeline_and_the_size_are_no_part_of_a_task() -> None:
    assert replace(TASK, pipeline="renamed", size=None, etag=None).id(ETAG) == TASK.id(ETAG)


@given(TEXTS, TEXTS)
def test_targets_texts_and_tasks_are_told_apart(one: str, other: str) -> None:
    digests = {
        target_digest(ObjectRef(one, other)),
        text_digest(one + other),
        task_id(("", "", "", "", "", one, other)),
    }
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {16}


@given(st.binary(min_size=16, max_size=16), st.integers(1, 12))
def test_every_digest_is_in_exactly_one_shard(digest: bytes, count: int) -> None:
    assert sum(Shard(index, count).holds(digest) for index in range(count)) == 1


@given(st.binary(min_size=16, max_size=16), st.integers(1, 5), st.integers(1, 5))
def test_a_shard_is_made_up_of_the_shards_of_its_processes(digest: bytes, shards: int, processes: int) -> None:
    for index in range(shards):
        whole = Shard(index, shards)
        of_processes = whole.divided(processes)
        assert of_processes == [Shard(index + k * shards, shards * processes) for k in range(processes)]
        assert whole.holds(digest) is any(part.holds(digest) for part in of_processes)
        if whole.holds(digest):
            assert of_processes[whole.part_of(processes)(digest)].holds(digest)


def test_shards_are_of_like_size() -> None:
    digests = [target_digest(ObjectRef("renditions", f"{number}.jpg")) for number in range(4000)]
    for index in range(4):
        assert 900 < sum(Shard(index, 4).holds(digest) for digest in digests) < 1100


def test_a_shard_is_written_as_on_the_command_line() -> None:
    assert str(Shard(2, 8)) == "2/8"

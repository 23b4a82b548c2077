"""The commands beside `run`: what they print, what they send, and how they end."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.desk import KEYS, MANIFEST, Desk
from tests.stand_in import StandIn, keys_below

WRONG = """\
version: 1
job: Copies
bucket: photos
sources: []
pipelines:
  - name: small
    process: image/resize,w_0
    target: {bucket: renditions, kee: "small/{key}"}
"""


async def test_a_plan_counts_by_outcome_and_sends_get_and_head_only(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 20) | {"in/note.txt": "T"}, "renditions": {}}) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", "--limit", "5")
        before = server.counts.copy()
        ended = await desk.run("plan", "job.yaml", "--json")
        found = ended.json
        assert ended.code == 0
        assert found["outcomes"] == {"small": {"already_saved": 5, "new": 15}}
        assert (found["planned"], found["posts"], found["not_selected"]) == (20, 15, {"not_an_image": 1})
        assert len(found["samples"]) == 3
        assert found["samples"][0]["request"].startswith("POST /in/")
        assert "sys/saveas" in found["samples"][0]["body"]
        sent = server.counts - before
        assert found["requests"] == dict(sent)
        assert set(sent) <= {"GET", "HEAD"}


async def test_a_plan_in_words_says_that_no_post_was_sent_and_names_the_binding_limit(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server)
        ended = await desk.run("plan", "job.yaml")
        assert ended.code == 0
        assert "would send     3 POSTs" in ended.out
        assert "0 POST" in ended.out
        assert "<- binds" in ended.out
        assert not (desk.path / "results").exists()


async def test_a_plan_of_nothing_is_66_and_one_that_collides_64(desk: Desk) -> None:
    async with StandIn({"photos": {"in/a.jpg": "A", "in/a.png": "B"}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("prefix: in/", "prefix: nothing/"))
        assert (await desk.run("plan", "job.yaml")).code == 66
        desk.write("job.yaml", MANIFEST.replace("{key}", "{stem}.jpg"))
        ended = await desk.run("plan", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"]) == (64, "usage")


async def test_validate_tells_every_problem_with_its_place_and_its_mend(desk: Desk) -> None:
    desk.write("wrong.yaml", WRONG)
    desk.write("right.yaml", MANIFEST)
    assert (await desk.run("validate", "right.yaml")).out == "right.yaml: valid\n"
    ended = await desk.run("validate", "right.yaml", "wrong.yaml")
    assert (ended.code, ended.out) == (64, "")
    for line in (2, 4, 8):
        assert f"wrong.yaml:{line}:" in ended.err
    assert "mend: did you mean 'key'?" in ended.err
    found = await desk.run("validate", "wrong.yaml", "missing.yaml", "--json")
    assert found.code == 64
    assert found.json["valid"] is False
    assert any("missing.yaml" in problem for problem in found.json["problems"])


async def test_advice_is_told_and_nothing_is_stopped_by_it(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 1), "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("image/resize,w_4", "image/resize,w_4/format,webp"))
        ended = await desk.run("validate", "job.yaml")
        assert (ended.code, ended.out) == (0, "job.yaml: valid\n")
        assert "job.yaml:9:39: warning: targets keep the extension of their sources, and hold webp" in ended.err
        assert "mend: end the key with {key}.webp" in ended.err
        found = (await desk.run("validate", "job.yaml", "--json")).json
        assert (found["valid"], found["problems"], len(found["warnings"])) == (True, [], 1)
        notes = (await desk.run("plan", "job.yaml", "--json")).json["notes"]
        assert [note for note in notes if note.startswith("job.yaml:9:39: targets keep")]
        assert (await desk.run("run", "job.yaml", "--json")).json["saved"] == 1


async def test_of_a_manifest_that_is_far_too_large_little_more_than_the_limit_is_read(desk: Desk) -> None:
    pipe, taken = desk.path / "job.yaml", 0
    os.mkfifo(pipe)
    process = await desk.start("validate", "job.yaml")

    def feed() -> None:
        nonlocal taken
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as file:
            while taken < 100_000_000:
                taken += file.write(b"version: 1\n" * 1000)

    await asyncio.to_thread(feed)
    ended = await desk.end(process)
    assert (ended.code, ended.out) == (64, "")
    assert "larger than 1,000,000 bytes" in ended.err
    assert taken < 1_300_000  # what is read, and what stays in the pipe


@pytest.mark.parametrize("command", ["run", "plan"])
async def test_a_wrong_manifest_is_64_before_anything_is_sent(desk: Desk, command: str) -> None:
    async with StandIn({"photos": {}}) as server:
        desk.set_up(server, WRONG)
        ended = await desk.run(command, "job.yaml", "--json")
        assert (ended.code, ended.json["exit"]) == (64, 64)
        assert "job.yaml:2:" in ended.json["first_error"]["message"]
        assert server.seen == []


async def test_explain_knows_codes_of_the_service_of_the_worker_and_of_exits(desk: Desk) -> None:
    for code, word in (("cpulimitexceeded", "limits.concurrency"), ("75", "SIGTERM"), ("WrongTarget", "report")):
        ended = await desk.run("explain", code)
        assert ended.code == 0
        assert word in ended.out
    assert (await desk.run("explain", "NoSuchKey", "--json")).json["retried"].startswith("never")
    unknown = await desk.run("explain", "NoSuchKy")
    assert (unknown.code, unknown.out) == (66, "")
    assert "did you mean NoSuchKey?" in unknown.err


@pytest.mark.parametrize(
    "args",
    [
        ("run",),
        ("run", "job.yaml", "--nonsense"),
        ("run", "job.yaml", "--shard", "3/3"),
        ("run", "job.yaml", "--ok", "2"),
        ("run", "job.yaml", "--max-duration", "soon"),
        ("run", "job.yaml", "--limit", "0"),
        ("run", "job.yaml", "--rate", "fast"),
        ("run", "nowhere.yaml"),
        ("run", "."),
        ("run", "job.yaml", "--config", "nowhere.yaml"),
        ("plan", "job.yaml", "--shard", "x"),
        ("validate",),
        ("dance",),
    ],
    ids=" ".join,
)
async def test_errors_of_usage_are_64(desk: Desk, args: tuple[str, ...]) -> None:
    desk.set_up("http://127.0.0.1:9")
    ended = await desk.run(*args)
    assert (ended.code, ended.out) == (64, "")
    assert "error: " in ended.err


async def test_a_usage_error_with_json_is_one_object_too(desk: Desk) -> None:
    ended = await desk.run("run", "nowhere.yaml", "--json")
    assert (ended.code, ended.json["outcome"]) == (64, "usage")


async def test_help_is_0(desk: Desk) -> None:
    ended = await desk.run("--help")
    assert ended.code == 0
    for command in ("run", "plan", "validate", "serve", "explain"):
        assert command in ended.out


async def test_who_closes_our_output_meets_no_traceback(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await desk.start("explain", "75", stdout=writing)
    os.close(writing)
    ended = await desk.end(process)
    assert (ended.code, ended.err) == (0, "")


async def test_an_unknown_code_with_json_is_one_object_too(desk: Desk) -> None:
    unknown = await desk.run("explain", "NoSuchKy", "--json")
    assert (unknown.code, unknown.json["exit"]) == (66, 66)


async def test_a_full_output_does_not_change_how_a_command_ends(desk: Desk) -> None:
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230 - nothing to wait for
        ended = await desk.end(await desk.start("explain", "75", stdout=full.fileno()))
    assert ended.code == 0


async def test_a_run_goes_on_where_metrics_cannot_be_told(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server)
        port = server.url.rpartition(":")[2]
        metrics = {"OSS_SAVEAS_METRICS__PORT": port, "OSS_SAVEAS_METRICS__PUSHGATEWAY": "http://127.0.0.1:9"}
        ended = await desk.run("run", "job.yaml", "--json", environ={**KEYS, **metrics})
        assert (ended.code, ended.json["saved"]) == (0, 3)
        assert f"no metrics: port {port}" in ended.err
        assert "the Pushgateway was not told" in ended.err


@pytest.mark.parametrize("answer", [b"no HTTP at all\r\n\r\n", b""])
async def test_what_is_no_pushgateway_changes_nothing_of_the_end(desk: Desk, answer: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    gateway = await asyncio.start_server(say, "127.0.0.1", 0)
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server, gateway:
        desk.set_up(server)
        url = f"http://127.0.0.1:{gateway.sockets[0].getsockname()[1]}"
        environ = {**KEYS, "OSS_SAVEAS_METRICS__PUSHGATEWAY": url}
        ended = await desk.run("run", "job.yaml", "--json", environ=environ)
        assert (ended.code, ended.json["saved"]) == (0, 3)
        assert "the Pushgateway was not told" in ended.err

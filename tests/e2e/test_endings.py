"""How runs end: each exit code, its one clear message, and what was sent until then."""

import asyncio
import json
import signal
from dataclasses import replace

import pytest

from tests.e2e.desk import CONFIG, KEYS, MANIFEST, Desk, until
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

COUNTS = ("saved", "already_saved", "skipped", "failed", "not_attempted")


def photos(count: int = 6) -> dict[str, dict[str, str]]:
    return {"photos": keys_below("in/", count), "renditions": {}}


def reconciled(summary: dict[str, int]) -> bool:
    return summary["planned"] == sum(summary[name] for name in COUNTS)


async def test_a_plan_with_more_than_max_tasks_is_64_and_sends_no_post(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server)
        refused = await desk.run("run", "job.yaml", "--max-tasks", "5")
        assert refused.code == 64
        assert "6 tasks" in refused.err
        assert server.posts == []
        assert (await desk.run("run", "job.yaml", "--max-tasks", "6")).code == 0


@pytest.mark.parametrize(("existing", "code", "field"), [("skip", 0, "skipped"), ("fail", 3, "failed")])
async def test_targets_that_others_made_are_left_alone(desk: Desk, existing: str, code: int, field: str) -> None:
    buckets = photos(4)
    buckets["renditions"] = {"small/in/00001.jpg": "OTHERS", "small/in/00002.jpg": "OTHERS"}
    async with StandIn(buckets) as server:
        desk.set_up(server, MANIFEST + f"existing: {existing}\n")
        first = await desk.run("run", "job.yaml", "--json")
        assert (first.code, first.json[field], first.json["saved"]) == (code, 2, 2)
        # Those saved are this job's own now: a new recipe replaces them, and only them.
        desk.write("job.yaml", (MANIFEST + f"existing: {existing}\n").replace("w_4", "w_5"))
        second = await desk.run("run", "job.yaml", "--json")
        assert (second.code, second.json[field], second.json["saved"]) == (code, 2, 2)
        assert set(server.saved().values()) == {2}
        assert reconciled(second.json)


async def test_a_collision_is_64_and_sends_no_post(desk: Desk) -> None:
    async with StandIn({"photos": {"in/a.jpg": "A", "in/a.png": "B"}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("{key}", "{stem}.jpg"))
        ended = await desk.run("run", "job.yaml")
        assert ended.code == 64
        assert "in/a.jpg" in ended.err
        assert "in/a.png" in ended.err
        assert server.posts == []


async def test_an_entry_that_selects_nothing_is_66_while_the_rest_is_saved(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server, MANIFEST.replace("  - prefix: in/\n", "  - prefix: in/\n  - prefix: nothing/\n"))
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], ended.json["saved"]) == (66, "nothing_selected", 6)
        assert any("job.yaml:6" in note for note in ended.json["notes"])


async def test_results_that_cannot_be_written_are_73(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server)
        desk.write("file", b"")
        ended = await desk.run("run", "job.yaml", "--results", "file/below")
        assert ended.code == 73
        assert "file/below" in ended.err + ended.out


async def test_a_log_with_a_bad_line_before_a_good_one_is_73_and_names_the_place(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        (segment,) = desk.segments()
        lines = segment.read_bytes().splitlines(keepends=True)
        desk.write(str(segment), b"".join([lines[0], b"{}\n", *lines[1:]]))
        ended = await desk.run("run", "job.yaml")
        assert ended.code == 73
        assert f"{segment.name}:2" in ended.err
        assert len(server.posts) == 6


async def test_a_log_of_a_later_version_is_64(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server)
        desk.write("results/copies/run/0-of-1.abcdef01.0.jsonl", b'{"schema":2,"what":"ever"}\n')
        ended = await desk.run("run", "job.yaml")
        assert ended.code == 64
        assert "schema 2" in ended.err
        assert server.posts == []


async def test_failed_tasks_are_3_which_ok_turns_into_0_and_they_are_not_sent_again(desk: Desk) -> None:
    def broken(request: Seen) -> Reply | None:
        return refusal(400, "ImageDamage") if request.method == "POST" and "00002" in request.key else None

    async with StandIn(photos(), broken) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["failed"], ended.json["saved"]) == (3, 1, 5)
        assert ended.json["first_error"]["code"] == "ImageDamage"
        (told,) = [line for line in map(json.loads, ended.err.splitlines()) if line["message"] == "task failed"]
        (line,) = [line for line in desk.lines() if line["status"] == "failed"]
        same = ("task", "pipeline", "source", "target", "attempts", "tries", "request_id", "duration_ms", "error")
        assert told["level"] == "warning"
        assert {name: told[name] for name in same} == {name: line[name] for name in same}
        accepted = await desk.run("run", "job.yaml", "--json", "--ok", "3,5")
        assert (accepted.code, accepted.json["exit"], accepted.json["failed_before"]) == (0, 3, 1)
        assert len(server.posts) == 6
        redone = await desk.run("run", "job.yaml", "--redo")
        assert redone.code == 3
        assert "explain ImageDamage" in redone.out
        assert len(server.posts) == 12
        assert all(reconciled(found) for found in desk.summaries())


async def test_failures_up_to_the_accepted_number_are_0(desk: Desk) -> None:
    def broken(request: Seen) -> Reply | None:
        return refusal(400, "ImageDamage") if request.method == "POST" and "00002" in request.key else None

    async with StandIn(photos(), broken) as server:
        desk.set_up(server)
        config = CONFIG.format(endpoint=server.url, rate=5000, concurrency=8)
        desk.write("config.yaml", config + "failure: {accept: 1}\n")
        assert (await desk.run("run", "job.yaml")).code == 0


async def test_permission_denied_for_everything_is_77(desk: Desk) -> None:
    def denied(request: Seen) -> Reply | None:
        return replace(refusal(403, "AccessDenied"), delay_s=0.05) if request.method == "POST" else None

    async with StandIn(photos(300), denied) as server:
        desk.set_up(server, concurrency=4)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], ended.json["saved"]) == (77, "refused", 0)
        assert 20 <= len(server.posts) < 300
        assert reconciled(ended.json)


async def test_one_permitted_task_among_denied_ones_is_3(desk: Desk) -> None:
    def denied(request: Seen) -> Reply | None:
        wanted = request.method == "POST" and "00000" not in request.key
        return refusal(403, "AccessDenied", "no permission") if wanted else None

    async with StandIn(photos(60), denied) as server:
        desk.set_up(server, concurrency=1)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"], ended.json["failed"]) == (3, 1, 59)


async def test_a_prefix_that_may_not_be_listed_is_77(desk: Desk) -> None:
    def denied(request: Seen) -> Reply | None:
        return refusal(403, "AccessDenied") if "list-type" in request.query else None

    async with StandIn(photos(), denied) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml")
        assert ended.code == 77
        assert "oss:ListObjects" in ended.err + ended.out
        assert "job.yaml:5" in ended.err + ended.out
        assert server.posts == []


async def test_trouble_on_the_way_is_retried_and_told(desk: Desk) -> None:
    troubled: set[str] = set()

    def trouble(request: Seen) -> Reply | None:
        if request.method != "POST" or request.key in troubled:
            return None
        troubled.add(request.key)
        number = int(request.key[3:8])
        replies = [refusal(503, "CpuLimitExceeded"), Reply(None), refusal(500, "InternalError"), Reply(200, (), b"{")]
        return replies[number % 4]

    async with StandIn(photos(12), trouble) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["saved"]) == (0, 12)
        tries = ended.json["tries"]
        lost = tries.pop("ConnectionLost", 0) + tries.pop("StaleConnection", 0)
        assert lost == 3
        assert tries == {"CpuLimitExceeded": 3, "InternalError": 3, "UnreadableAnswer": 3}
        assert ended.json["attempts"] == len(server.posts) == 24


async def test_rows_that_are_bad_are_failed_and_told_with_their_place_and_not_again(desk: Desk) -> None:
    manifest = MANIFEST.replace("  - prefix: in/", "  - csv: keys.csv")
    async with StandIn({"photos": {"good.jpg": "A"}, "renditions": {}}) as server:
        desk.set_up(server, manifest)
        desk.write("keys.csv", b"key,etag,size\ngood.jpg,A,7\n/bad.jpg,,\nsize.jpg,,7k\n\xff.jpg,,\nshort\n")
        first = await desk.run("run", "job.yaml", "--json")
        assert (first.code, first.json["saved"], first.json["failed"]) == (3, 1, 4)
        bad = [line for line in desk.lines() if line["status"] == "failed"]
        assert {line["error"]["code"] for line in bad} == {"BadRow"}
        places = [line["error"]["message"].split(": ")[0] for line in bad]
        assert sorted(places) == [f"keys.csv:{number}" for number in (3, 4, 5, 6)]
        assert all(line["task"] is None for line in bad)
        second = await desk.run("run", "job.yaml", "--json")
        assert (second.code, second.json["failed"], second.json["already_saved"]) == (3, 4, 1)
        assert len(desk.lines()) == 5
        assert reconciled(second.json)
        assert len(server.posts) == 1


async def test_keys_from_standard_input(desk: Desk) -> None:
    async with StandIn({"photos": {"a.jpg": "A", "b c.jpg": "B"}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("  - prefix: in/", '  - list: "-"'))
        ended = await desk.run("run", "job.yaml", "--json", stdin=b"\xef\xbb\xbfa.jpg\r\nb c.jpg\na.jpg")
        assert (ended.code, ended.json["saved"], ended.json["duplicates"]) == (0, 2, 1)
        assert server.counts["HEAD"] == 2


async def test_a_run_reads_its_place_from_the_environment(desk: Desk) -> None:
    async with StandIn(photos(1)) as server:
        desk.set_up(server)
        environ = {**KEYS, "OSS_SAVEAS_RUN": "night-1", "OSS_SAVEAS_TYPO": "1", "OSS_SAVEAS_PARALLELISM": "2"}
        ended = await desk.run("run", "job.yaml", environ=environ)
        assert ended.code == 0
        assert "OSS_SAVEAS_TYPO" in ended.err
        assert [path.name for path in (desk.path / "results/copies").iterdir()] == ["night-1"]


async def test_the_summary_is_what_json_prints_and_what_stands_beside_the_lines(desk: Desk) -> None:
    async with StandIn(photos()) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", "--json")
        assert desk.summaries() == [ended.json]
        assert ended.json["endpoint"] == server.url
        assert (ended.json["listed"], ended.json["selected"], ended.json["enumeration"]) == (6, 6, "complete")
        assert ended.json["source_bytes"] == ended.json["target_bytes"] == 6 * 1234


async def test_log_lines_are_json_where_nobody_reads_along(desk: Desk) -> None:
    async with StandIn(photos(1)) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml")
        first = json.loads(ended.err.splitlines()[0])
        assert first["message"] == "started"
        assert first["credentials"] == "OSS_ACCESS_KEY_*"


async def test_one_request_in_flight_for_each_unit_of_concurrency(desk: Desk) -> None:
    async with StandIn(photos(60), delay_s=0.02) as server:
        desk.set_up(server, rate=5000)
        assert (await desk.run("run", "job.yaml", "--concurrency", "5")).code == 0
        assert server.most_in_flight <= 5 + 1  # and a listing


async def test_failures_that_are_accepted_are_not_called_saved(desk: Desk) -> None:
    async with StandIn(
        photos(3), lambda seen: refusal(400, "ImageDamage") if seen.method == "POST" else None
    ) as server:
        desk.set_up(server)
        ended = await desk.run("run", "job.yaml", environ={**KEYS, "OSS_SAVEAS_FAILURE__ACCEPT": "3"})
    assert ended.code == 0
    assert "every task" not in ended.out
    assert "failure.accept" in ended.out


async def test_a_signal_after_a_few_refusals_is_75_for_nobody_knows_whether_all_are_refused(desk: Desk) -> None:
    def first_denied(seen: Seen) -> Reply | None:
        if seen.method != "POST":
            return None
        return refusal(403, "AccessDenied") if len(server.posts) == 1 else Reply(delay_s=300)

    async with StandIn(photos(30), first_denied) as server:
        desk.set_up(server, concurrency=4)
        process = await desk.start("run", "job.yaml", "--json")
        await until(desk.lines)
        while process.returncode is None:  # one at least is a second one: signals of a kind that wait are one
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
        ended = await desk.end(process)
        assert (ended.code, ended.json["failed"], ended.json["saved"]) == (75, 1, 0)

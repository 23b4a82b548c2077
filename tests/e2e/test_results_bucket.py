"""Results in a bucket: as good as a directory, though the bucket refuses now and then; and the upkeep of both."""

import asyncio
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Figures
from tests.e2e.desk import CONFIG, KEYS, MANIFEST, Desk, lines_in, saved_in, until
from tests.e2e.test_endings import reconciled
from tests.emulator.pictures import jpeg
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

BUCKET = "oss://results/logs"
PATIENT = "results_patience_s: 60"


def buckets(tasks: int) -> dict[str, dict[str, str]]:
    return {"photos": keys_below("in/", tasks), "renditions": {}, "results": {}}


def is_put(request: Seen) -> bool:
    return request.method == "PUT"


async def test_a_run_writes_segments_and_a_summary_and_the_next_one_reads_them(desk: Desk) -> None:
    async with StandIn(buckets(60)) as server:
        desk.set_up(server, rate=100, results=BUCKET)
        first = await desk.run("run", "job.yaml", "--json")
        assert (first.code, first.json["saved"], first.json["requests"]["POST"]) == (0, 60, 60), first.err
        run = first.json["run"]
        names = [key for bucket, key in server.contents if bucket == "results"]
        stem = f"logs/copies/{run}/0-of-1.{first.json['proc']}"
        # The first group goes out soon, the others are large.
        assert names == [f"{stem}.0.jsonl", f"{stem}.1.jsonl", f"{stem}.summary.json"]
        assert json.loads(server.contents["results", f"{stem}.summary.json"]) == first.json
        assert all(request.headers["x-oss-forbid-overwrite"] == "true" for request in server.seen if is_put(request))
        assert len(lines_in(server)) == len(saved_in(server)) == 60
        second = await desk.run("run", "job.yaml", "--json")
        assert (second.code, second.json["already_saved"], second.json["attempts"]) == (0, 60, 0)
        plan = await desk.run("plan", "job.yaml", "--json")
        assert (plan.code, plan.json["outcomes"]) == (0, {"small": {"already_saved": 60}})
        assert not (desk.path / "results").exists()


@pytest.mark.parametrize(
    ("refused", "lands"),
    [
        (refusal(503, "ServiceUnavailable"), False),
        (refusal(403, "AccessDenied"), False),
        (Reply(None), True),
    ],
    ids=["503", "403", "done though cut off"],
)
async def test_a_bucket_that_refuses_and_comes_back_loses_and_doubles_nothing(
    desk: Desk, refused: Reply, lands: bool
) -> None:
    puts = 0

    def refuse_for_a_while(request: Seen) -> Reply | None:
        nonlocal puts
        puts += is_put(request)
        return refused if is_put(request) and puts <= 3 else None

    async with StandIn(buckets(40), refuse_for_a_while, lands=lands) as server:
        desk.set_up(server, results=BUCKET)
        ended = await desk.run("run", "job.yaml", "--json", environ={**KEYS, "OSS_SAVEAS_RESULTS_PATIENCE_S": "60"})
        assert (ended.code, ended.json["saved"]) == (0, 40), ended.err
        assert len(lines_in(server)) == len(saved_in(server)) == 40
        assert reconciled(ended.json)


async def test_where_only_the_summary_cannot_be_written_it_is_73_and_what_is_saved_is_told(desk: Desk) -> None:
    def refuse(seen: Seen) -> Reply | None:
        return refusal(503, "ServiceUnavailable") if seen.key.endswith("summary.json") else None

    async with StandIn(buckets(60), refuse) as server:
        desk.set_up(server, results=BUCKET)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], ended.json["enumeration"]) == (73, "results_unwritable", "complete")
        assert ended.json["saved"] == ended.json["planned"] == len(saved_in(server)) > 0
        assert "the summary is not written" in "\n".join(ended.json["notes"])


async def test_a_bucket_that_refuses_for_too_long_is_73_and_nothing_is_claimed(desk: Desk) -> None:
    async with StandIn(
        buckets(500), lambda request: refusal(403, "AccessDenied") if is_put(request) else None, delay_s=0.05
    ) as server:
        desk.set_up(server, rate=100, concurrency=4, results=BUCKET)
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], ended.json["saved"]) == (73, "results_unwritable", 0)
        assert any("cannot put oss://results/logs/copies/" in note for note in ended.json["notes"])
        assert any("mend: allow " in note for note in ended.json["notes"])
        # Nothing new is begun once a bucket has refused.
        assert len(server.posts) < 100
        assert reconciled(ended.json)


@pytest.mark.parametrize(
    "refused", [refusal(403, "AccessDenied"), refusal(503, "ServiceUnavailable")], ids=["403", "503"]
)
@pytest.mark.parametrize("tasks", [300, pytest.param(12_000, marks=pytest.mark.chaos)])
async def test_a_bucket_that_refuses_in_mid_run_is_73_and_the_next_run_loses_nothing(
    desk: Desk, figures: Figures, refused: Reply, tasks: int
) -> None:
    broken = False

    def refuse(request: Seen) -> Reply | None:
        nonlocal broken
        # The first segment is put, so something is durable; then the bucket refuses.
        fits = is_put(request) and not broken
        broken = broken or is_put(request)
        return refused if is_put(request) and not fits else None

    async with StandIn(buckets(tasks), refuse, delay_s=0.01) as server:
        desk.set_up(server, rate=500, concurrency=8, results=BUCKET)
        first = await desk.run("run", "job.yaml", "--json", within_s=300)
        assert (first.code, first.json["outcome"]) == (73, "results_unwritable"), first.err
        assert reconciled(first.json)
        durable, sent = saved_in(server), len(server.posts)
        assert 0 < first.json["saved"] == len(durable) < sent
        server.script = lambda _: None
        second = await desk.run("run", "job.yaml", "--json", "--rate", "5000", within_s=300)
        assert (second.code, second.json["already_saved"]) == (0, len(durable)), second.err
        assert len(saved_in(server)) == len(server.saved()) == tasks
        assert {server.saved()[target] for target in durable} == {1}
        assert len(server.posts) - tasks == sent - len(durable)
        figures({"tasks": tasks, "durable when it refused": len(durable), "lost": 0, "repeated": sent - len(durable)})


async def test_a_bucket_that_is_not_there_is_64_before_anything_is_sent(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 5), "renditions": {}}) as server:
        desk.set_up(server, results=BUCKET)
        for command in ("run", "plan"):
            ended = await desk.run(command, "job.yaml")
            assert ended.code == 64
            assert "the bucket 'results' does not exist" in ended.err
        assert server.posts == []


@pytest.mark.parametrize("command", ["run", "plan"])
async def test_results_among_the_sources_are_64_and_nothing_is_sent(desk: Desk, command: str) -> None:
    async with StandIn(buckets(5)) as server:
        desk.set_up(server, results="oss://photos/in/logs")
        ended = await desk.run(command, "job.yaml")
        assert ended.code == 64
        assert "job.yaml:5:5: error: the results place oss://photos/in/logs lies below this source prefix" in ended.err
        assert server.seen == []


async def test_a_signal_writes_what_is_done_and_the_next_run_repeats_nothing(desk: Desk) -> None:
    async with StandIn(buckets(300), delay_s=0.05) as server:
        desk.set_up(server, concurrency=8, results=BUCKET)
        process = await desk.start("run", "job.yaml", "--json")
        await until(lambda: len(server.posts) >= 50)
        process.terminate()
        ended = await desk.end(process)
        assert (ended.code, ended.json["saved"]) == (75, len(server.posts))
        assert len(saved_in(server)) == len(server.posts) < 300
        assert (await desk.run("run", "job.yaml")).code == 0
        assert len(saved_in(server)) == len(server.posts) == 300


async def test_a_signal_while_the_log_is_read_ends_the_run_quietly(desk: Desk) -> None:
    slow = Reply(200, delay_s=30)
    async with StandIn(buckets(5), lambda request: slow if request.bucket == "results" else None) as server:
        desk.set_up(server, results=BUCKET)
        # The summary is put all the same: nobody answers, and that is waited for.
        process = await desk.start("run", "job.yaml", "--json", environ={**KEYS, "OSS_SAVEAS_TIMEOUT__TOTAL_S": "3"})
        await until(lambda: len(server.seen) >= 1)
        process.terminate()
        await asyncio.sleep(0.1)
        process.terminate()
        ended = await desk.end(process)
        assert ended.code in {73, 75}
        assert server.posts == []


@pytest.mark.parametrize("results", [pytest.param("./results", marks=pytest.mark.chaos), BUCKET])
async def test_compact_and_prune_keep_what_the_log_says(desk: Desk, results: str) -> None:
    async with StandIn(buckets(20)) as server:
        desk.set_up(server, results=results)
        assert (await desk.run("run", "job.yaml", "--limit", "12")).code == 5
        compacted = await desk.run("compact", "copies", "--json")
        assert (compacted.code, compacted.json["checkpoint"], compacted.json["new"]) == (0, 1, True)
        assert (compacted.json["lines"], compacted.json["quarantined"]) == (12, 0)
        desk.age(40)
        for known in server.contents:
            server.modified[known] -= 40 * 86400
        assert (await desk.run("run", "job.yaml")).code == 0
        pruned = await desk.run("prune", "copies", "--keep-days", "1", "--json")
        assert (pruned.code, pruned.json["pruned_runs"], pruned.json["kept_runs"]) == (0, 1, 1)
        assert len(desk.lines() if results == "./results" else lines_in(server)) == 8
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.code, again.json["already_saved"], again.json["attempts"]) == (0, 20, 0)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("compact", "other"), 66),
        (("prune", "other", "--keep-days", "1"), 66),
        (("compact", "../copies"), 64),
        (("prune", "copies", "--keep-days", "0"), 64),
        (("prune", "copies", "--keep-days", "99999999"), 64),  # further back than the calendar goes
        (("prune", "copies"), 64),
    ],
)
async def test_upkeep_of_what_is_no_job(desk: Desk, args: tuple[str, ...], code: int) -> None:
    desk.set_up("http://127.0.0.1:1")
    ended = await desk.run(*args)
    assert ended.code == code
    assert ("there are no results of a job 'other'" in ended.err) is (code == 66)


@pytest.mark.parametrize("config", ["", "results: ./results\n"])
async def test_upkeep_of_a_directory_needs_no_endpoint_and_that_of_a_bucket_does(desk: Desk, config: str) -> None:
    async with StandIn(buckets(3)) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
    desk.write("config.yaml", config)
    cluster = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "OSS_SAVEAS_RESULTS_DURABLE": "true"}
    for args in (("status", "copies"), ("compact", "copies"), ("prune", "copies", "--keep-days", "1")):
        ended = await desk.run(*args, environ=cluster)
        assert ended.code == 0, ended.err
        refused = await desk.run(*args, "--results", BUCKET)
        assert (refused.code, "no endpoint is set" in refused.err) == (64, True)
    assert not (desk.path / "local-oss").exists()


async def test_an_old_run_is_pruned_and_its_targets_stay_done(desk: Desk) -> None:
    async with StandIn(buckets(10)) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml", "--limit", "6")).code == 5
        long_ago = time.time() - timedelta(days=40).total_seconds()
        for path in desk.path.glob("results/copies/*/*"):
            os.utime(path, (long_ago, long_ago))
        assert (await desk.run("run", "job.yaml")).code == 0
        pruned = await desk.run("prune", "copies", "--keep-days", "30")
        assert "1 segments of 1 runs" in pruned.out
        assert len(desk.segments()) == 1
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.json["already_saved"], len(server.posts)) == (10, 10)


async def test_a_damaged_segment_is_mended_by_quarantine(desk: Desk) -> None:
    async with StandIn(buckets(10)) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        (segment,) = desk.segments()
        content = segment.read_bytes().split(b"\n")
        content[3] = b"\0" * len(content[3])
        segment.write_bytes(b"\n".join(content))
        stopped = await desk.run("run", "job.yaml")
        assert stopped.code == 73
        assert f"{segment.name}:4: error: not a line of a results log" in stopped.err
        assert "oss-saveas compact JOB --quarantine FILE" in stopped.err
        mended = await desk.run("compact", "copies", "--quarantine", "aside.jsonl", "--json")
        assert (mended.code, mended.json["quarantined"]) == (0, 1)
        (aside,) = map(json.loads, (desk.path / "aside.jsonl").read_text().splitlines())
        assert (Path(aside["file"]).name, aside["line"], aside["content"]) == (segment.name, 4, "\0" * len(content[3]))
        again = await desk.run("run", "job.yaml", "--json")
        assert (again.code, again.json["saved"], again.json["already_saved"]) == (0, 1, 9)
        segment.write_bytes(b"\n".join([*content[:-1], b"{}", content[0], b""]))
        assert (await desk.run("compact", "copies", "--quarantine", "nowhere/aside.jsonl")).code == 73


async def test_results_in_a_bucket_of_the_local_oss_survive_its_faults(desk: Desk) -> None:
    for number in range(12):
        desk.write(f"oss/photos/in/{number}.jpg", jpeg(8, 6))
    for bucket in ("renditions", "results"):
        (desk.path / "oss" / bucket).mkdir(parents=True)
    desk.write(
        "faults.yaml",
        "version: 1\nseed: 3\nfaults:\n"
        "  - {fault: reset, processed: true, operation: PutObject, nth: [1, 4]}\n"
        "  - {fault: answer, status: 503, code: ServiceUnavailable, operation: PutObject, nth: [2, 3]}\n"
        "  - {fault: half-body, operation: [ListObjectsV2, GetObject], every: 5}\n",
    )
    url = await desk.serve("--root", "oss", "--faults", "faults.yaml")
    desk.write("job.yaml", MANIFEST)
    settings = CONFIG.format(endpoint=url, rate=500, concurrency=4)
    desk.write("config.yaml", settings.replace("./results", BUCKET).replace("results_patience_s: 1", PATIENT))
    first = await desk.run("run", "job.yaml", "--json")
    assert (first.code, first.json["saved"]) == (0, 12), first.err
    segments = list((desk.path / "oss/results/logs/copies").glob("*/*.jsonl"))
    lines = [json.loads(line) for path in segments for line in path.read_text().splitlines()]
    assert len(lines) == len({line["target"]["key"] for line in lines}) == 12
    assert (await desk.run("compact", "copies")).code == 0
    second = await desk.run("run", "job.yaml", "--json")
    assert (second.code, second.json["already_saved"]) == (0, 12), second.err

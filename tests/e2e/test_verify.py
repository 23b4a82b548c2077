"""`verify`: targets that were taken away or changed behind our back are found, and the next run mends them."""

import json
import time

import pytest

from tests.e2e.desk import CONFIG, MANIFEST, Desk, lines_in, until
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

PLACES = [pytest.param("./results", marks=pytest.mark.chaos), "oss://results/logs"]


def lost(server: StandIn, *numbers: int) -> None:
    for number in numbers:
        del server.buckets["renditions"][f"small/in/{number:05}.jpg"]


@pytest.mark.parametrize("results", PLACES)
async def test_what_is_missing_or_altered_is_found_and_the_next_run_mends_it(desk: Desk, results: str) -> None:
    wrong: set[str] = set()

    def sizes(request: Seen) -> Reply | None:
        wanted = request.method == "HEAD" and request.bucket == "renditions" and request.key in wrong
        return Reply(200, (("ETag", '"X"'), ("Content-Length", "99"))) if wanted else None

    async with StandIn({"photos": keys_below("in/", 30), "renditions": {}, "results": {}}, sizes) as server:
        desk.set_up(server, results=results)
        assert (await desk.run("run", "job.yaml")).code == 0
        good = await desk.run("verify", "job.yaml", "--json")
        assert (good.code, good.json["recorded"], good.json["intact"], good.json["outcome"]) == (0, 30, 30, "complete")
        assert (good.json["requests"]["HEAD"], good.json["missing"], good.json["altered"]) == (30, 0, 0)
        lost(server, 3, 4)
        wrong.add("small/in/00005.jpg")  # another size
        server.modified["renditions", "small/in/00006.jpg"] = time.time() + 60
        posts = len(server.posts)
        bad = await desk.run("verify", "job.yaml", "--json")
        assert (bad.code, bad.json["missing"], bad.json["altered"], bad.json["intact"]) == (3, 2, 2, 26)
        assert {sample["found"] for sample in bad.json["samples"]} == {"missing", "altered"}
        assert len(server.posts) == posts
        lines = lines_in(server) if results.startswith("oss:") else desk.lines()
        saved = {line["target"]["key"]: line for line in lines if line["status"] == "saved"}
        for line in lines[30:]:
            same = saved[line["target"]["key"]]
            assert all(line[name] == same[name] for name in ("task", "source", "process", "target", "pipeline", "job"))
            assert (line["run"], line["attempts"], line["at"] > same["at"]) == (bad.json["run"], 0, True)
        again = await desk.run("verify", "job.yaml", "--json")  # these are known to be not there: nobody asks again
        assert (again.code, again.json["recorded"], again.json["intact"]) == (0, 26, 26)
        assert (bad.json["found_before"], again.json["found_before"]) == (0, 4)
        told = (await desk.run("verify", "job.yaml")).out
        assert told.startswith("What was looked at is there")
        assert "4 missing or altered, and not saved since" in told
        wrong.clear()
        mended = await desk.run("run", "job.yaml", "--json")
        assert (mended.code, mended.json["saved"], mended.json["already_saved"]) == (0, 4, 26)
        whole = await desk.run("verify", "job.yaml", "--json")
        assert (whole.code, whole.json["intact"], whole.json["found_before"]) == (0, 30, 0)
        assert (await desk.run("verify", "job.yaml")).out.startswith("Verified: every recorded target")


async def test_what_may_not_be_looked_at_is_told_and_not_taken_for_missing(desk: Desk) -> None:
    def denied(request: Seen) -> Reply | None:
        return refusal(403, "AccessDenied") if request.method == "HEAD" and request.key.endswith("1.jpg") else None

    async with StandIn({"photos": keys_below("in/", 4), "renditions": {}}, denied) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["unknown"], found.json["missing"], found.json["intact"]) == (3, 1, 0, 3)
        assert len(desk.lines()) == 4
        assert "1 could not be looked at" in (await desk.run("verify", "job.yaml")).out


async def test_a_404_that_is_none_of_the_service_is_not_taken_for_missing(desk: Desk) -> None:
    def between(request: Seen) -> Reply | None:
        is_head = request.method == "HEAD" and request.bucket == "renditions"
        return Reply(404, (("x-oss-request-id", ""),)) if is_head else None

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}, between) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["unknown"], found.json["missing"], len(desk.lines())) == (3, 3, 0, 3)


async def test_targets_whose_lines_were_pruned_are_counted_and_said(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 10), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml", "--limit", "6")).code == 5
        desk.age(40)
        assert (await desk.run("run", "job.yaml")).code == 0
        assert (await desk.run("prune", "copies", "--keep-days", "1")).code == 0
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["recorded"], found.json["pruned"], found.json["intact"]) == (0, 10, 6, 4)
        told = (await desk.run("verify", "job.yaml")).out
        assert told.startswith("What was looked at is there")
        assert "6: their lines were pruned" in told


async def test_a_signal_ends_a_verification_with_75_and_what_was_found_is_recorded(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 200), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        server.buckets["renditions"].clear()
        config = CONFIG.format(endpoint=server.url, rate=50, concurrency=4)
        desk.write("config.yaml", config)
        before = server.counts["HEAD"]
        process = await desk.start("verify", "job.yaml", "--json")
        await until(lambda: server.counts["HEAD"] >= before + 30)
        process.terminate()
        found = await desk.end(process)
        assert (found.code, found.json["outcome"], len(found.json["samples"])) == (75, "interrupted", 20)
        assert found.json["missing"] == server.counts["HEAD"] - before == len(desk.lines()) - 200
        assert found.json["missing"] + found.json["not_asked"] == found.json["recorded"] == 200


async def test_lines_that_cannot_be_read_to_their_end_are_73_and_nothing_is_told_intact(desk: Desk) -> None:
    reads = 0

    def once(request: Seen) -> Reply | None:
        nonlocal reads
        is_read = request.method == "GET" and request.key.endswith(".jsonl")
        reads += is_read
        return refusal(403, "AccessDenied") if is_read and reads > 1 else None  # the ledger was read by then

    async with StandIn({"photos": keys_below("in/", 5), "renditions": {}, "results": {}}, once) as server:
        desk.set_up(server, results="oss://results/logs")
        assert (await desk.run("run", "job.yaml")).code == 0
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["recorded"], found.json["intact"], found.json["not_asked"]) == (73, 5, 0, 5)
        assert any("AccessDenied" in note for note in found.json["notes"])


async def test_an_outage_is_waited_out_and_then_ends_a_verification_with_4(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 20), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        await server.go_away()
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["outcome"]) == (4, "stopped")
        assert len(desk.lines()) == 20
        await server.come_back()


async def test_a_place_without_results_is_66_a_job_without_sources_is_verified_and_a_custom_domain_is_64(
    desk: Desk,
) -> None:
    async with StandIn({"photos": keys_below("in/", 1), "renditions": {}}) as server:
        desk.set_up(server)
        found = await desk.run("verify", "job.yaml", "--json")
        assert (found.code, found.json["outcome"]) == (66, "nothing_selected")
        assert "there are no results of a job 'copies': results/copies" in found.err
        assert not list((desk.path / "results").glob("*/*/*"))
        desk.write("job.yaml", MANIFEST.replace("prefix: in/", "prefix: nothing/\n    empty: ok"))
        assert (await desk.run("run", "job.yaml")).code == 0
        empty = await desk.run("verify", "job.yaml", "--json")
        assert (empty.code, empty.json["recorded"]) == (0, 0)
        config = CONFIG.format(endpoint=server.url, rate=50, concurrency=4) + "addressing: cname\n"
        desk.write("config.yaml", config)
        seen = len(server.seen)
        refused = await desk.run("verify", "job.yaml")
        assert (refused.code, len(server.seen)) == (64, seen)
        assert "job.yaml: error: with `addressing: cname` targets cannot be looked at" in refused.err


async def test_lines_of_a_clock_that_went_ahead_are_corrected_all_the_same(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 1), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        (segment,) = desk.segments()
        line = json.loads(segment.read_text())
        segment.write_text(json.dumps({**line, "at": "2999-01-01T00:00:00.000Z"}) + "\n")
        lost(server, 0)
        assert (await desk.run("verify", "job.yaml")).code == 3
        counts = []
        for width in (4, 4, 5, 5, 4):  # what is done now is newer than what that clock has written: once is enough
            desk.write("job.yaml", MANIFEST.replace("w_4", f"w_{width}"))
            counts.append((await desk.run("run", "job.yaml", "--json")).json["saved"])
        assert counts == [1, 0, 1, 0, 1]

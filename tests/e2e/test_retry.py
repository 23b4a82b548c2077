"""`retry`: only what has failed is done again."""

import pytest

from tests.e2e.desk import KEYS, MANIFEST, Desk, lines_in
from tests.e2e.test_endings import reconciled
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

PATIENT = {**KEYS, "OSS_SAVEAS_RETRY__MAX_ATTEMPTS": "1"}


class Trouble:
    """Breaks some pictures for good, some for now, and hides a source; until `over`."""

    over = False

    def __call__(self, request: Seen) -> Reply | None:
        if self.over or request.method != "POST":
            return None
        if request.key.endswith(("1.jpg", "2.jpg")):
            return refusal(400, "ImageDamage")
        return refusal(500, "InternalError") if request.key.endswith("3.jpg") else None


@pytest.mark.parametrize("results", [pytest.param("./results", marks=pytest.mark.chaos), "oss://results/logs"])
async def test_a_retry_plans_what_has_failed_and_nothing_else(desk: Desk, results: str) -> None:
    trouble = Trouble()
    async with StandIn({"photos": keys_below("in/", 20), "renditions": {}, "results": {}}, trouble) as server:
        desk.set_up(server, results=results)
        none = await desk.run("retry", "job.yaml", "--json", environ=PATIENT)
        assert (none.code, none.json["planned"], none.json["command"]) == (0, 0, "retry")
        first = await desk.run("run", "job.yaml", "--json", "--limit", "18", environ=PATIENT)
        assert (first.code, first.json["failed"], first.json["saved"]) == (5, 6, 12)
        before = len(server.posts)
        trouble.over = True
        some = await desk.run("retry", "job.yaml", "--code", "InternalError,Timeout", "--json", environ=PATIENT)
        assert (some.code, some.json["planned"], some.json["saved"]) == (0, 2, 2)
        assert {request.key[-5:] for request in server.posts[before:]} == {"3.jpg"}
        rest = await desk.run("retry", "job.yaml", "--json", "--max-tasks", "4", environ=PATIENT)
        assert (rest.code, rest.json["planned"], rest.json["saved"]) == (0, 4, 4)
        assert reconciled(rest.json)
        # Two were never sent: they are no failures.
        assert len(server.posts) == before + 6 == 24
        none = await desk.run("retry", "job.yaml", "--json", environ=PATIENT)
        assert (none.code, none.json["planned"]) == (0, 0)
        assert len(lines_in(server) if results.startswith("oss:") else desk.lines()) == 24


async def test_a_retry_that_fails_again_is_3_and_one_with_too_many_tasks_64(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 4), "renditions": {}}, Trouble()) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", environ=PATIENT)
        refused = await desk.run("retry", "job.yaml", "--max-tasks", "2", environ=PATIENT)
        assert (refused.code, len(server.posts)) == (64, 4)
        assert "the plan has 3 tasks" in refused.err
        again = await desk.run("retry", "job.yaml", "--json", environ=PATIENT)
        assert (again.code, again.json["failed"], again.json["failed_before"], len(server.posts)) == (3, 3, 0, 7)
        assert (await desk.run("retry", "job.yaml", "--code", "no code")).code == 64


async def test_sources_that_were_not_there_and_bad_rows_are_retried_by_their_codes(desk: Desk) -> None:
    async with StandIn({"photos": {"b.jpg": "B"}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("  - prefix: in/", "  - list: keys.txt"))
        desk.write("keys.txt", "a.jpg\nb.jpg\n/bad\n")
        first = await desk.run("run", "job.yaml", "--json")
        assert (first.code, first.json["saved"], first.json["failed"]) == (3, 1, 2)
        server.buckets["photos"]["a.jpg"] = "A"
        found = await desk.run("retry", "job.yaml", "--code", "NoSuchKey", "--json")
        assert (found.code, found.json["planned"], found.json["saved"]) == (0, 1, 1)
        bad = await desk.run("retry", "job.yaml", "--json")
        assert (bad.code, bad.json["planned"], bad.json["failed"]) == (3, 1, 1)


async def test_codes_of_pruned_lines_are_not_known_and_said_to_be(desk: Desk) -> None:
    trouble = Trouble()
    async with StandIn({"photos": keys_below("in/", 4), "renditions": {}}, trouble) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", environ=PATIENT)
        desk.age(40)
        await desk.run("run", "job.yaml", environ={**PATIENT, "OSS_SAVEAS_RUN": "later"})
        # Those for good were sent by the first run only, that which may pass by both.
        assert (await desk.run("prune", "copies", "--keep-days", "1")).code == 0
        trouble.over = True
        some = await desk.run("retry", "job.yaml", "--code", "ImageDamage", "--json", environ=PATIENT)
        assert (some.code, some.json["planned"]) == (0, 0)
        assert any("2 failed before their lines were pruned" in note for note in some.json["notes"])
        rest = await desk.run("retry", "job.yaml", "--json", environ=PATIENT)
        assert (rest.code, rest.json["saved"]) == (0, 3)

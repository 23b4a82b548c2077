"""What `plan` says of every task, and what it asks the service for to know it."""

import json
from urllib.parse import parse_qsl

from tests.e2e.desk import MANIFEST, Desk
from tests.inventories import delivered, row
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

TWO = MANIFEST + '  - {name: big, process: "image/resize,w_9", target: {bucket: renditions, key: "big/{key}"}}\n'
STYLED = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: in/
pipelines:
  - {name: one, style: small, target: {bucket: renditions, key: "1/{key}.jpg"}}
  - {name: two, style: wide, target: {bucket: renditions, key: "2/{key}.jpg"}}
  - {name: three, style: tall, revision: auto, target: {bucket: renditions, key: "3/{key}.jpg"}}
"""


async def plan(desk: Desk) -> dict[str, object]:
    ended = await desk.run("plan", "job.yaml", "--json")
    assert ended.code == 0, ended.err
    found: dict[str, object] = ended.json
    return found


async def test_every_task_is_foreseen_without_a_head_for_any(desk: Desk) -> None:
    photos = keys_below("in/", 10)

    def damaged(request: Seen) -> Reply | None:
        is_broken = request.method == "POST" and request.key == "in/00009.jpg"
        return refusal(400, "ImageDamage") if is_broken else None

    async with StandIn({"photos": photos, "renditions": {}}, script=damaged) as server:
        desk.set_up(server, TWO)
        assert (await desk.run("run", "job.yaml")).code == 3
        photos["in/00000.jpg"] = "CHANGED"
        for key in ("in/00001.jpg", "in/00002.jpg"):
            del photos[key]
        photos |= {"in/new.jpg": "N", "in/there.jpg": "N", "in/a.txt": "T", "in/b.TXT": "T", "in/c": "T", "in/d/": "T"}
        server.buckets["renditions"]["big/in/there.jpg"] = "SOMEBODY"
        desk.write("job.yaml", TWO.replace("w_4", "w_5"))
        server.counts.clear()
        found = await plan(desk)
        assert found["outcomes"] == {
            # The service declined the damaged picture: the job has no target of it yet.
            "small": {"changed_recipe": 7, "new": 3},
            "big": {"changed_source": 1, "already_saved": 6, "failed_before": 1, "new": 1, "exists": 1},
        }
        assert found["orphans"] == 4
        assert found["not_selected"] == {"not_an_image": 3, "directory": 1}
        assert found["other_extensions"] == {"txt": 2, "": 1}
        assert (found["planned"], found["posts"]) == (20, 13)
        assert found["run_requests"] == {"put": 1, "get": 2 + 13}
        # The sources, and each prefix of new targets; both buckets.
        assert dict(server.counts) == found["requests"] == {"GET": 5}
        assert found["requests_by_class"] == {"put": 3, "get": 2}


async def test_all_that_collides_is_counted_by_pipeline(desk: Desk) -> None:
    pictures = keys_below("in/", 40)
    twins = {key.replace(".jpg", ".png"): "P" for key in pictures}
    async with StandIn({"photos": pictures | twins, "renditions": {}}) as server:
        desk.set_up(server, TWO.replace("small/{key}", "small/{dir}/{stem}"))
        ended = await desk.run("plan", "job.yaml", "--json")
        assert (ended.code, ended.json["collides"]) == (64, {"small": 40})
        assert ended.err.count("two tasks write") == 20
        assert "in all, 40 tasks collide" in ended.err
        ended = await desk.run("run", "job.yaml", "--json")
        assert ended.code == 64
        assert ended.json["collides"]["small"] >= 20  # it need not read to the end
        assert server.counts["POST"] == 0


async def test_requests_are_sampled_from_all_pipelines(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 50), "renditions": {}}) as server:
        desk.set_up(server, TWO)
        samples = (await plan(desk))["samples"]
        assert isinstance(samples, list)
        assert [sample["pipeline"] for sample in samples] == ["small", "big"] * 3
        assert len({sample["target"] for sample in samples}) == 6
        assert all("sys/saveas" in dict(parse_qsl(sample["body"]))["x-oss-process"] for sample in samples)


async def test_targets_that_exist_are_kept_or_fail_as_the_manifest_says_and_as_a_run_does(desk: Desk) -> None:
    for existing, saved, outcome in (("skip", 3, "skipped"), ("fail", 3, "failed")):
        there = {f"small/in/0000{number}.jpg": "SOMEBODY" for number in range(2)}
        async with StandIn({"photos": keys_below("in/", 5), "renditions": dict(there)}) as server:
            job = MANIFEST.replace("job: copies", f"job: {existing}") + f"existing: {existing}\n"
            desk.set_up(server, job)
            found = await plan(desk)
            assert found["outcomes"] == {"small": {"new": saved, "exists": 2}}
            assert found["posts"] == saved
            assert found["run_requests"] == {"put": 1, "get": 2 + 5 + saved}
            assert "HEAD" not in server.counts
            ended = await desk.run("run", "job.yaml", "--json")
            assert (ended.json["saved"], ended.json[outcome]) == (saved, 2)
            assert {key: server.buckets["renditions"][key] for key in there} == there
            codes = [line["error"]["code"] for line in desk.lines(existing) if "error" in line]
            assert codes == (["TargetExists"] * 2 if existing == "fail" else [])


async def test_what_a_later_run_finds_are_its_own_targets(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server, MANIFEST + "existing: fail\n")
        assert (await desk.run("run", "job.yaml")).code == 0
        server.buckets["photos"]["in/00000.jpg"] = "CHANGED"
        assert (await plan(desk))["outcomes"] == {"small": {"changed_source": 1, "already_saved": 2}}
        ended = await desk.run("run", "job.yaml", "--json")
        assert (ended.json["saved"], ended.json["already_saved"], ended.json["failed"]) == (1, 2, 0)


async def test_who_may_not_list_the_targets_is_told_what_is_missing(desk: Desk) -> None:
    def no_listing(request: Seen) -> Reply | None:
        is_target = request.bucket == "renditions" and "list-type" in request.query
        return refusal(403, "AccessDenied") if is_target else None

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}, script=no_listing) as server:
        desk.set_up(server)
        ended = await desk.run("plan", "job.yaml")
        assert ended.code == 0
        assert "which targets exist already is not known: cannot list oss://renditions/small/in/0000" in ended.out
        assert "allow oss:ListObjects" in ended.out


async def test_sources_without_an_etag_are_asked_after_as_long_as_they_are_few(desk: Desk) -> None:
    rows = "".join(f"in/{number:05}.jpg\n" for number in range(1100))
    async with StandIn({"photos": keys_below("in/", 1099), "renditions": {}}) as server:
        desk.set_up(server, TWO.replace("prefix: in/", "list: keys.txt"), rate=100_000)
        desk.write("keys.txt", "in/01099.jpg\n" + rows)
        found = await plan(desk)
        assert found["outcomes"] == {"small": {"new": 1099, "NoSuchKey": 1}, "big": {"new": 1099, "NoSuchKey": 1}}
        assert server.counts["HEAD"] == 1000
        assert found["unknown_sizes"] == 200
        assert found["duplicates"] == 2
        # Here all are known, and 100 are not asked after.
        assert (await desk.run("run", "job.yaml", "--ok", "3")).code == 0
        found = await plan(desk)
        assert found["outcomes"] == {
            name: {"already_saved": 999, "unknown": 100, "NoSuchKey": 1} for name in ("small", "big")
        }
        assert any("more than 1,000 sources have no etag" in note for note in found["notes"])  # type: ignore[attr-defined]  # JSON


async def test_versions_and_edits_of_styles_are_told_once(desk: Desk) -> None:
    def service(request: Seen) -> Reply | None:
        if "styleName" in request.query:
            return Reply(body=b"<Style><Content>image/resize,w_4</Content></Style>")
        if "bucketInfo" in request.query:
            return Reply(body=b"<BucketInfo><Bucket><Versioning>Enabled</Versioning></Bucket></BucketInfo>")
        return None

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}, script=service) as server:
        desk.set_up(server, STYLED)
        assert (await plan(desk))["notes"] == [
            "bucket renditions is versioned: every save adds a version, and the old ones stay",
            "edits of the style small, wide cannot be seen: `revision: auto` would see them",
        ]


async def test_after_pruning_orphans_are_counted_and_what_has_changed_is_changed_somehow(desk: Desk) -> None:
    photos = keys_below("in/", 6)
    async with StandIn({"photos": photos, "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml", "--limit", "4")).code == 5
        desk.age(40)
        assert (await desk.run("run", "job.yaml")).code == 0
        assert (await desk.run("prune", "copies", "--keep-days", "30", "--json")).json["pruned_segments"] == 1
        found = await plan(desk)
        assert (found["outcomes"], found["orphans"]) == ({"small": {"already_saved": 6}}, 0)
        kept = {line["source"]["key"] for line in desk.lines()}
        pruned = sorted(photos.keys() - kept)
        assert len(kept) == 2
        del photos[pruned[0]]
        photos |= dict.fromkeys((pruned[1], min(kept)), "CHANGED")
        found = await plan(desk)
        assert found["outcomes"] == {"small": {"changed_source": 1, "changed": 1, "already_saved": 3}}
        assert (found["orphans"], found["posts"], found["seconds_assumed"]) == (1, 2, False)
        assert (await desk.run("run", "job.yaml", "--json")).json["saved"] == 2


async def test_a_window_of_time_makes_no_orphans(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server)
        assert (await desk.run("run", "job.yaml")).code == 0
        desk.write("job.yaml", MANIFEST.replace("prefix: in/", "prefix: in/\n    modified_after: 2999-01-01T00:00:00Z"))
        found = await plan(desk)
        assert (found["orphans"], found["planned"]) == (None, 0)
        for key, content in delivered([row("in/00000.jpg")]).objects.items():
            desk.write(f"copied/{key.rpartition('/')[2]}", content)
        window = "inventory: copied/manifest.json\n    modified_after: 2999-01-01T00:00:00Z"
        desk.write("job.yaml", MANIFEST.replace("prefix: in/", window))
        found = await plan(desk)
        assert (found["orphans"], found["planned"]) == (None, 0)


async def test_shards_share_the_tasks_and_the_limits(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 40), "renditions": {}}) as server:
        desk.set_up(server)
        whole = await plan(desk)
        parts = [json.loads((await desk.run("plan", "job.yaml", "--shard", f"{n}/3", "--json")).out) for n in range(3)]
        assert sum(part["posts"] for part in parts) == whole["posts"] == 40
        assert [part["limits"]["requests_per_second"] for part in parts] == [5000 / 3] * 3

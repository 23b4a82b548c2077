"""`check`: a line for each thing that a run needs, and the mend of what is not right."""

import json
import shutil
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

from tests.e2e.desk import MANIFEST, SECRET, Desk, Ended
from tests.emulator.pictures import jpeg
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal
from worker.emulator.folder_store import FolderStore

STYLED = MANIFEST + '  - {name: styled, style: tiny, target: {bucket: renditions, key: "styled/{key}.jpg"}}\n'


def by_name(ended: Ended, name: str) -> list[dict[str, Any]]:
    return [check for check in ended.json["checks"] if check["name"] == name]


def wrong(ended: Ended) -> list[tuple[str, str, str]]:
    checks = [check for check in ended.json["checks"] if check["status"] == "wrong"]
    return [(check["name"], check["message"], check["mend"]) for check in checks]


async def serve(desk: Desk, policies: dict[str, Any] | None = None) -> str:
    """A served local OSS with a picture, a style, and a key that may do all."""
    desk.write("oss/photos/in/a.jpg", jpeg(80, 60))
    (desk.path / "oss/renditions").mkdir()
    FolderStore(desk.path / "oss").put_style("photos", "tiny", "image/resize,w_20")
    args = []
    if policies is not None:
        desk.write("policies.json", json.dumps(policies))
        args = ["--policies", "policies.json"]
    process = await desk.start("serve", "--root", "oss", *args)
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().removeprefix("listening on ").strip()


async def test_all_is_right_and_nothing_is_sent_but_questions(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server)
        ended = await desk.run("check", "job.yaml", "--json")
        assert (ended.code, ended.json["exit"]) == (0, 0)
        assert [(check["name"], check["status"]) for check in ended.json["checks"]] == [
            ("results", "ok"),
            ("endpoint", "ok"),
            ("clock", "ok"),
            ("credentials", "ok"),
            ("bucket", "ok"),
            ("bucket", "ok"),
            ("source", "ok"),
        ]
        assert dict(server.counts) == {"GET": 4, "HEAD": 1}
        assert not (desk.path / "results").exists()
        words = (await desk.run("check", "job.yaml")).out
        assert "  ok     bucket       renditions is there, in cn-hangzhou\n" in words
        assert words.endswith("Ready to run.  (exit 0)\n")


def objects(desk: Desk) -> set[Path]:
    """The files of the local OSS, without its own notes."""
    return {path for path in (desk.path / "oss").rglob("*") if path.is_file() and ".oss" not in path.parts}


async def test_a_probe_saves_one_picture_by_each_pipeline_and_leaves_none(desk: Desk) -> None:
    desk.set_up(await serve(desk), STYLED)
    before = objects(desk)
    ended = await desk.run("check", "job.yaml", "--probe", "--json")
    assert ended.code == 0, ended.out
    probes = by_name(ended, "probe")
    assert [check["message"].partition(":")[0] for check in probes] == ["small", "styled"]
    assert all("/oss-saveas-probe-" in check["message"] for check in probes)
    assert objects(desk) == before
    assert SECRET not in ended.out + ended.err


async def test_without_a_bucket_a_style_or_sources_it_is_64_and_says_how_to_mend_each(desk: Desk) -> None:
    desk.set_up(await serve(desk), STYLED.replace("style: tiny", "style: big").replace("prefix: in/", "prefix: no/"))
    shutil.rmtree(desk.path / "oss/renditions")
    ended = await desk.run("check", "job.yaml", "--probe", "--json")
    assert ended.code == 64
    assert [(name, mend) for name, _, mend in wrong(ended)] == [
        ("bucket", "create it, or correct its name"),
        ("style", "create it on that bucket, or correct its name"),
        ("source", "correct the entry, or say `empty: ok`"),
    ]
    assert wrong(ended)[0][1].startswith("job.yaml:9:22: ")
    assert all("no source that could be read" in check["message"] for check in by_name(ended, "probe"))


async def test_the_printed_policy_is_enough_for_all_but_the_probe(desk: Desk) -> None:
    desk.write("job.yaml", STYLED)
    policy = (await desk.run("policy", "job.yaml", environ={})).json
    probing = {
        "Effect": "Allow",
        "Action": ["oss:GetObject"],
        "Resource": "acs:oss:*:*:renditions/*/oss-saveas-probe-*",
    }
    more = {"Version": "1", "Statement": [*policy["Statement"], probing]}
    keys = [
        {"id": name, "secret": "made-up-secret", "policies": [document]}
        for name, document in (("least", policy), ("more", more))
    ]
    desk.set_up(await serve(desk, {"version": 1, "keys": keys}), STYLED)

    async def check(key: str, *args: str) -> Ended:
        environ = {"OSS_ACCESS_KEY_ID": key, "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
        return await desk.run("check", "job.yaml", "--json", *args, environ=environ)

    plain = await check("least")
    assert plain.code == 0
    assert [check["status"] for check in by_name(plain, "style")] == ["note"]
    probed = await check("least", "--probe")
    assert probed.code == 77
    assert {mend for _, _, mend in wrong(probed)} == {
        f"allow oss:GetObject on acs:oss:*:*:renditions/{name}/oss-saveas-probe-*, which only --probe needs"
        for name in ("small", "styled")
    }
    left = await check("more", "--probe")
    assert left.code == 77
    assert all("may still be there: AccessDenied" in message for _, message, _ in wrong(left))
    assert all("oss:DeleteObject" in mend for _, _, mend in wrong(left))
    assert len(list((desk.path / "oss/renditions").rglob("oss-saveas-probe-*"))) == 2


async def test_a_bucket_of_results_is_really_written_and_nothing_stays(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}, "results": {}}) as server:
        desk.set_up(server, results="oss://results/logs")
        ended = await desk.run("check", "job.yaml", "--json")
        (results,) = by_name(ended, "results")
        assert (ended.code, results["status"]) == (0, "ok")
        assert results["message"] == "oss://results/logs can be listed, written and read"
        (put,) = [request for request in server.seen if request.method == "PUT"]
        assert (put.key, put.headers["x-oss-forbid-overwrite"]) == ("logs/copies/probe/oss-saveas-probe", "true")
        assert (server.buckets["results"], server.counts["DELETE"], server.counts["POST"]) == ({}, 1, 0)
        server.buckets["results"][put.key], server.contents["results", put.key] = "X", b"somebody's"
        taken = await desk.run("check", "job.yaml", "--json")
        assert (taken.code, server.contents["results", put.key]) == (64, b"somebody's")
        assert [name for name, _, _ in wrong(taken)] == ["results"]


async def test_a_bucket_of_results_that_may_not_be_written_is_77_and_one_that_fails_64(desk: Desk) -> None:
    refuse = refusal(403, "AccessDenied")

    def script(request: Seen) -> Reply | None:
        return refuse if request.method == "PUT" else None

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}, "results": {}}, script) as server:
        desk.set_up(server, results="oss://results/logs")
        denied = await desk.run("check", "job.yaml", "--json")
        assert denied.code == 77
        ((name, message, mend),) = wrong(denied)
        assert name == "results"
        assert "cannot put oss://results/logs/copies/probe/oss-saveas-probe: AccessDenied" in message
        assert "oss:PutObject" in mend
        refuse = refusal(503, "ServiceUnavailable")  # `script` looks at it anew
        assert (await desk.run("check", "job.yaml", "--json")).code == 64
        server.buckets.pop("results")
        gone = await desk.run("check", "job.yaml", "--json")
        assert (gone.code, wrong(gone)[0][2]) == (64, "create it, or correct `results`")


async def test_the_printed_policy_is_enough_for_results_in_a_bucket_and_what_stays_is_said(desk: Desk) -> None:
    desk.write("job.yaml", MANIFEST)
    policy = (await desk.run("policy", "job.yaml", "--results", "oss://results/logs", environ={})).json
    keys = [{"id": "least", "secret": "made-up-secret", "policies": [policy]}]
    least = {"OSS_ACCESS_KEY_ID": "least", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
    desk.set_up(await serve(desk, {"version": 1, "keys": keys}), results="oss://results/logs")
    (desk.path / "oss/results").mkdir()
    for _ in range(2):  # what is left the first time is no obstacle the second
        ended = await desk.run("check", "job.yaml", "--json", environ=least)
        (results,) = by_name(ended, "results")
        assert (ended.code, results["status"]) == (0, "note"), ended.out
        assert "oss://results/logs/copies/probe/oss-saveas-probe stays there" in results["message"]
        assert "oss:DeleteObject" in results["mend"]
    for args, code in ((("status",), 66), (("compact",), 66), (("prune", "--keep-days", "1"), 66)):
        assert (await desk.run(args[0], "copies", *args[1:])).code == code


async def test_refused_credentials_end_it_with_77(desk: Desk) -> None:
    desk.set_up(await serve(desk))
    ended = await desk.run(
        "check", "job.yaml", "--json", environ={"OSS_ACCESS_KEY_ID": "x", "OSS_ACCESS_KEY_SECRET": "y"}
    )
    assert ended.code == 77
    assert [name for name, _, _ in wrong(ended)] == ["credentials"]
    assert ended.json["checks"][-1]["name"] == "credentials"


async def test_a_clock_that_is_off_is_a_note(desk: Desk) -> None:
    def late(request: Seen) -> Reply | None:
        headers = (("Date", formatdate(time() + 400, usegmt=True)), ("x-oss-request-id", "R"))
        body = b"<BucketInfo><Bucket><Location>oss-cn-hangzhou</Location></Bucket></BucketInfo>"
        return Reply(200, headers, body) if "bucketInfo" in request.query else None

    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}, script=late) as server:
        desk.set_up(server)
        ended = await desk.run("check", "job.yaml", "--json")
        (clock,) = by_name(ended, "clock")
        assert (ended.code, clock["status"]) == (0, "note")
        assert " s behind the service" in clock["message"]


async def test_only_the_first_page_of_a_listing_is_looked_at(desk: Desk) -> None:
    async with StandIn({"photos": {f"in/{n}.txt": "T" for n in range(30)}, "renditions": {}}, page=10) as server:
        desk.set_up(server)
        ended = await desk.run("check", "job.yaml", "--json")
        assert ended.code == 0
        (source,) = by_name(ended, "source")
        assert source["status"] == "note"
        assert "nothing among the first 10 objects is selected" in source["message"]


async def test_nobody_at_the_endpoint_no_credentials_and_no_place_for_results_are_all_64(desk: Desk) -> None:
    desk.set_up("http://127.0.0.1:9")
    desk.write("file", "")
    nobody = await desk.run("check", "job.yaml", "--results", "file/there", "--json")
    assert nobody.code == 64
    assert [name for name, _, _ in wrong(nobody)] == ["results", "endpoint"]
    without = await desk.run("check", "job.yaml", "--json", environ={})
    assert (without.code, [name for name, _, _ in wrong(without)]) == (64, ["credentials"])


async def test_a_bucket_elsewhere_and_one_that_says_nothing(desk: Desk) -> None:
    def service(request: Seen) -> Reply | None:
        is_closed = request.bucket == "renditions" and "bucketInfo" in request.query
        return refusal(403, "AccessDenied") if is_closed else None

    async with StandIn(
        {"photos": keys_below("in/", 3), "renditions": {}}, script=service, location="oss-cn-beijing"
    ) as server:
        desk.set_up(server)
        ended = await desk.run("check", "job.yaml", "--json")
        assert ended.code == 64
        elsewhere, closed = by_name(ended, "bucket")
        assert "region: cn-beijing" in elsewhere["mend"]
        assert (closed["status"], closed["mend"]) == ("note", "allow oss:GetBucketInfo on acs:oss:*:*:renditions")


async def test_standard_input_and_keys_that_are_not_there_are_notes(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 3), "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("  - prefix: in/", "  - list: '-'\n  - list: keys.txt"))
        desk.write("keys.txt", "no.jpg\n")
        ended = await desk.run("check", "job.yaml", "--json")
        assert ended.code == 0
        assert [check["status"] for check in by_name(ended, "source")] == ["note", "note"]
        assert "does not exist" in by_name(ended, "source")[1]["message"]


async def test_a_wrong_manifest_is_64_before_anything_is_sent(desk: Desk) -> None:
    async with StandIn({"photos": {}}) as server:
        desk.set_up(server, MANIFEST.replace("w_4", "w_0"))
        ended = await desk.run("check", "job.yaml", "--json")
        assert (ended.code, ended.json["outcome"], server.seen) == (64, "usage", [])

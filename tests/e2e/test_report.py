"""`report`: what a run was like, as a page, a table and an object, from what it has left."""

import base64
import csv
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from tests.e2e.desk import KEYS, SECRET, Desk
from tests.emulator.pictures import jpeg
from tests.stand_in import StandIn, keys_below, refusal
from tests.unit.test_comparison import a_run
from worker.batch.record import ErrorRecord, Record, Status, encode

_PICTURE = re.compile(r'src="data:image/webp;base64,([^"]+)"')
ODD = "in/<script>alert(1)</script>\x1b[2J=1+1\u202egpj.jpg"


def named(name: str) -> dict[str, str]:
    return {**KEYS, "OSS_SAVEAS_RUN": name}


def broken(*keys: str, code: str = "ImageDamage") -> Any:
    return lambda seen: refusal(400, code, "<b>made up</b>") if seen.key in keys and seen.body else None


def pictures(page: Path) -> list[tuple[str | None, tuple[int, int]]]:
    """Format and size of every picture within a page; each is read to its end."""
    found = []
    for text in _PICTURE.findall(page.read_text()):
        with Image.open(io.BytesIO(base64.b64decode(text))) as image:
            image.load()
            found.append((image.format, image.size))
    return found


@pytest.mark.parametrize("results", ["./results", pytest.param("oss://results/logs", marks=pytest.mark.chaos)])
async def test_the_forms_of_a_report_agree_with_the_lines_of_the_run(desk: Desk, results: str) -> None:
    keys = keys_below("in/", 30) | {ODD: "E"}
    bad = (ODD, "in/00001.jpg")
    async with StandIn({"photos": keys, "renditions": {}, "results": {}}, broken(*bad)) as server:
        desk.set_up(server, results=results)
        unknown = await desk.run("report", "copies")
        assert (unknown.code, unknown.out) == (66, "")
        for number in range(2):
            await desk.run("run", "job.yaml", "--shard", f"{number}/2", environ=named("night"))
        gets = server.counts["GET"]
        found = await desk.run(
            "report", "copies", "--json", "--csv", "failed.csv", "--html", "page.html", "--embed", "0"
        )
        assert found.code == 0, found.err
        if results == "./results":
            assert server.counts["GET"] == gets  # nobody is asked
        told = found.json
        assert (told["run"], told["exit"], told["state"], told["shards"]) == ("night", 3, "failed", 2)
        assert (told["planned"], told["saved"], told["failed"], told["not_attempted"]) == (31, 29, 2, 0)
        assert told["lines"] == {"saved": 29, "failed": 2}
        assert told["pipelines"]["small"]["saved"] == 29
        assert sum(column["saved"] for column in told["columns"]) == 29
        assert {column["limits"]["concurrency"] for column in told["columns"] if column["limits"]} <= {8, 16}
        assert any(column["limits"] for column in told["columns"])
        (error,) = told["errors"]
        assert (error["code"], error["count"], error["permanent"]) == ("ImageDamage", 2, 2)
        assert error["mend"].startswith("Replace the source")
        rows = list(csv.DictReader((desk.path / "failed.csv").read_text().splitlines()))
        assert {row["source_key"] for row in rows} == {
            "in/<script>alert(1)</script>\\x1b[2J=1+1\\u202egpj.jpg",
            "in/00001.jpg",
        }
        html = (desk.path / "page.html").read_text()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J=1+1\\u202egpj.jpg" in html
        assert "Finished with failures: all 2 shards finished, 2 tasks failed" in html
        assert (desk.path / "page.html").stat().st_mode & 0o777 == 0o644
        again = await desk.run("report", "copies", "--run", "night", "--embed", "0")
        assert again.out.startswith("Finished with failures: all 2 shards finished, 2 tasks failed")
        assert (desk.path / "copies-report.html").read_text() == html
        assert not list(desk.path.glob(".*report*"))


async def test_what_cannot_be_reported_or_written_is_told(desk: Desk) -> None:
    async with StandIn({"photos": keys_below("in/", 2), "renditions": {}}) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", environ=named("night"))
        for option in ("--run", "--against"):
            no_run = await desk.run("report", "copies", option, "noon", "--json")
            assert (no_run.code, "no run 'noon'" in no_run.err) == (66, True)
        gets = server.counts["GET"]
        nowhere = await desk.run("report", "copies", "--html", "no/such/page.html")
        assert (nowhere.code, server.counts["GET"]) == (73, gets)  # before anything is asked for, and billed
        assert "cannot be written" in nowhere.err
        piped = await desk.run("report", "copies", "--csv", "/dev/stdout")
        assert (piped.code, piped.out.startswith("at,pipeline,code,")) == (0, True), piped.err
        assert (await desk.run("report", "copies", "--embed", "61")).code == 64
        one = await desk.run(
            "report", "copies", "--html", "page.html", "--csv", f"../{desk.path.name}/page.html", "--embed", "0"
        )
        assert (one.code, "name one file" in one.err) == (64, True)
        assert not (desk.path / "page.html").exists()
        desk.write("config.yaml", "results: ./results\n")  # nobody to ask for pictures
        assert (await desk.run("report", "copies")).code == 64
        for nobody in (("--embed", "0"), ("--json",), ("--csv", "failed.csv")):
            assert (await desk.run("report", "copies", *nobody)).code == 0


async def test_exactly_what_got_worse_since_another_run_is_named(desk: Desk) -> None:
    desk.set_up("https://oss-cn-hangzhou.aliyuncs.com")
    runs = {
        "first": a_run(7),
        "same": a_run(7),
        "slow": a_run(7, slow=1.5, rate=25.0),
        "broken": [failing(line) if number in {3, 500} else line for number, line in enumerate(a_run(7, damaged=0))],
    }
    for name, lines in runs.items():
        text = b"".join(encode(replace(line, run=name)) for line in lines)
        desk.write(f"results/copies/{name}/0-of-1.aaaaaaaa.0.jsonl", text)

    async def worse(run: str, against: str) -> Any:
        found = await desk.run("report", "copies", "--run", run, "--against", against, "--json")
        assert found.code == 0, found.err
        return found.json["against"]

    assert (await worse("same", "first"))["regressions"] == []
    slow = await worse("slow", "first")
    assert [(one["kind"], one["name"]) for one in slow["regressions"]] == [("throughput", ""), ("p95", "")]
    bad = await worse("broken", "slow")
    assert [(one["kind"], one["name"]) for one in bad["regressions"]] == [("errors", "AccessDenied"), ("targets", "")]
    assert (bad["lost"], {one["key"] for one in bad["lost_targets"]}) == (2, {"small/0003", "small/0500"})
    words = await desk.run("report", "copies", "--run", "broken", "--against", "slow", "--embed", "0")
    assert "got worse      AccessDenied: tasks that failed with this code: 0 then, 2 now" in words.out
    assert '<h2 id="against">Against slow</h2>' in (desk.path / "copies-report.html").read_text()
    none = await desk.run("report", "copies", "--run", "same", "--against", "first", "--embed", "0")
    assert "got worse      nothing" in none.out


def failing(line: Record) -> Record:
    error = ErrorRecord("AccessDenied", 403, "", "made up", permanent=True)
    return replace(line, status=Status.FAILED, error=error)


async def test_what_a_later_process_of_the_run_has_mended_is_no_failure_of_it(desk: Desk) -> None:
    bad = {"in/00001.jpg", "in/00002.jpg"}
    async with StandIn(
        {"photos": keys_below("in/", 5), "renditions": {}},
        lambda seen: refusal(500, "InternalError") if seen.key in bad and seen.body else None,
    ) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml", environ=named("night"))
        bad.remove("in/00001.jpg")
        await desk.run("run", "job.yaml", environ=named("night"))
        del server.buckets["renditions"]["small/in/00003.jpg"]
        assert (await desk.run("verify", "job.yaml", environ=named("night"))).code == 3  # lines, but none of the run
        found = await desk.run("report", "copies", "--json", "--csv", "failed.csv")
        assert (found.json["superseded"], found.json["lines"]) == (2, {"saved": 4, "failed": 1})
        (row,) = csv.DictReader((desk.path / "failed.csv").read_text().splitlines())
        assert row["source_key"] == "in/00002.jpg"


async def test_pictures_are_those_of_the_local_oss_and_what_has_none_is_named(desk: Desk) -> None:
    shutil.copytree(Path(__file__).parents[2] / "jobs", desk.path / "jobs")
    shutil.copy(Path(__file__).parents[2] / "config.yaml", desk.path)
    await desk.run("run", "jobs/quickstart.yaml", "--rate", "2000", environ={})
    for path in (desk.path / "local-oss/renditions/cards").rglob("*.jpg"):
        path.unlink()
    found = await desk.run("report", "quickstart", environ={})
    assert found.code == 0, found.err
    page = desk.path / "quickstart-report.html"
    html, shown = page.read_text(), pictures(page)
    assert html.count("<figure>") == 24
    assert 24 < len(shown) < 48
    assert {form for form, _ in shown} == {"WEBP"}
    assert max(max(size) for _, size in shown) == 240
    assert "no picture: " in html
    assert html.count("NoSuchKey") >= 48 - len(shown)
    assert len(html) < 3_000_000
    some = await desk.run("report", "quickstart", "--embed", "3", environ={})
    assert (some.code, page.read_text().count("<figure>")) == (0, 3)


async def test_pictures_by_url_need_keys_and_a_service_and_a_report_neither(desk: Desk) -> None:
    desk.write("oss/photos/in/a.jpg", jpeg(600, 400))
    desk.write("oss/renditions/.keep", "")
    keys = ("--access-key-id", KEYS["OSS_ACCESS_KEY_ID"], "--access-key-secret", SECRET)
    url = await desk.serve("--root", "oss", *keys)
    desk.set_up(url)
    assert (await desk.run("run", "job.yaml")).code == 0
    page = desk.path / "copies-report.html"
    assert (await desk.run("report", "copies")).code == 0
    assert pictures(page) == [("WEBP", (240, 160)), ("WEBP", (4, 3))]
    text = page.read_text()
    assert url not in text
    assert "Signature" not in text
    no_key = await desk.run("report", "copies", environ={})
    assert no_key.code == 0
    assert "the report has no pictures: " in no_key.err
    assert pictures(page) == []
    assert "No pictures: no credentials" in page.read_text()
    await desk.stop_all()
    unreachable = await desk.run("report", "copies")
    assert unreachable.code == 0, unreachable.err
    assert (pictures(page), "no picture: ConnectionFailed" in page.read_text()) == ([], True)


async def test_a_service_that_declines_every_picture_holds_up_no_report(desk: Desk) -> None:
    async with StandIn(
        {"photos": keys_below("in/", 30), "renditions": {}},
        lambda seen: refusal(503, "ServiceUnavailable") if "x-oss-process" in seen.query and not seen.body else None,
    ) as server:
        desk.set_up(server)
        await desk.run("run", "job.yaml")
        # The run gives up while most of the pictures wait for the service to come back.
        impatient = {**KEYS, "OSS_SAVEAS_LIMITS__ADAPTIVE": "false", "OSS_SAVEAS_RETRY__BASE_DELAY_S": "1"}
        found = await desk.run("report", "copies", environ=impatient | {"OSS_SAVEAS_RETRY__MAX_DELAY_S": "1"})
        assert found.code == 0, found.err
        html = (desk.path / "copies-report.html").read_text()
        assert html.count("no picture: ") == 48
        assert "no picture: ServiceUnavailable" in html

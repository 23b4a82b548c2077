"""Sources of every kind, from wherever they are read, against the local OSS."""

import asyncio
import gzip
import io
import json
import re
import signal
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from PIL import Image

from tests.e2e.desk import MANIFEST, Desk, until
from tests.emulator.pictures import jpeg
from tests.inventories import FULL, delivered, row
from tests.stand_in import Reply, Seen, StandIn

CONFIG = """\
endpoint: local
results: ./results
limits: {requests_per_second: 2000, source_mb_per_second: 1000, concurrency: 16}
local: {root: ./local-oss, samples: false}
"""
EVERYWHERE = (
    "list: lists/keys.txt.gz",
    "list: oss://logs/keys.txt",
    "csv: lists/keys.csv.zst",
    "csv: oss://logs/keys.csv.gz",
    "jsonl: lists/keys.jsonl",
    "jsonl: oss://logs/keys.jsonl.zst",
    "parquet: lists/keys.parquet",
    "parquet: oss://logs/keys.parquet",
    "inventory: copied/manifest.json",
    f"inventory: oss://logs/{FULL}",
    'jsonl: "-"',
)
PIPELINE = """\
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "small/{key}"}
"""


def parquet(keys: list[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"key": keys}), file)
    return file.getvalue()


def set_up(desk: Desk, *sources: str, pipelines: str = PIPELINE) -> None:
    desk.write("config.yaml", CONFIG)
    entries = "".join(f"  - {source}\n" for source in sources)
    desk.write("job.yaml", f"version: 1\njob: copies\nbucket: photos\nsources:\n{entries}{pipelines}")
    for bucket in ("photos", "renditions", "logs"):
        (desk.path / "local-oss" / bucket).mkdir(parents=True)


async def test_every_kind_is_read_from_files_objects_and_standard_input(desk: Desk) -> None:
    set_up(desk, *EVERYWHERE)
    keys = [f"{number} 雪.jpg" for number in range(12)]
    for key in keys:
        desk.write(f"local-oss/photos/{key}", jpeg(8, 8))
    desk.write("lists/keys.txt.gz", gzip.compress(f"{keys[0]}\n".encode()))
    desk.write("local-oss/logs/keys.txt", f"{keys[1]}\n{keys[0]}\n")
    desk.write("lists/keys.csv.zst", zstd.compress(f"key,title\n{keys[2]},x\n".encode()))
    desk.write("local-oss/logs/keys.csv.gz", gzip.compress(f"key\n{keys[3]}\n".encode()))
    desk.write("lists/keys.jsonl", json.dumps({"key": keys[4]}))
    desk.write("local-oss/logs/keys.jsonl.zst", zstd.compress(json.dumps({"key": keys[5]}).encode()))
    desk.write("lists/keys.parquet", parquet([keys[6]]))
    desk.write("local-oss/logs/keys.parquet", parquet([keys[7]]))
    here = delivered([row(keys[8]), row(keys[0], IsLatest="false")])
    for key, content in here.objects.items():
        desk.write(f"copied/{key.rpartition('/')[2]}", content)
    for key, content in delivered([row(keys[9])], [row(keys[10])]).objects.items():
        desk.write(f"local-oss/logs/{key}", content)
    stdin = f'{json.dumps({"key": keys[11]})}\n{{"key": 7}}\n'.encode()

    planned = (await desk.run("plan", "job.yaml", "--json", environ={}, stdin=stdin)).json
    assert planned["outcomes"] == {"small": {"new": 12, "bad_row": 1}}
    assert (planned["listed"], planned["selected"], planned["duplicates"]) == (15, 14, 1)
    assert planned["not_selected"] == {"old_version": 1}
    assert "POST" not in planned["requests"]

    ended = await desk.run("run", "job.yaml", "--json", environ={}, stdin=stdin)
    assert ended.code == 3, ended.err
    assert desk.saved() == {("renditions", f"small/{key}") for key in keys}
    (bad,) = (line for line in desk.lines() if line["status"] == "failed")
    assert (bad["error"]["code"], "-:2" in bad["error"]["message"]) == ("BadRow", True)


async def test_an_inventory_comes_by_standard_input_and_its_files_from_their_bucket(desk: Desk) -> None:
    set_up(desk, 'inventory: "-"')
    inventory = delivered([row("a.jpg")], incremental=True)
    desk.write("local-oss/photos/a.jpg", jpeg(8, 8))
    for key, content in inventory.objects.items():
        desk.write(f"local-oss/logs/{key}", content)
    ended = await desk.run("run", "job.yaml", "--json", environ={}, stdin=inventory.objects[inventory.manifest])
    assert ended.code == 0, ended.err
    assert desk.saved() == {("renditions", "small/a.jpg")}


async def test_an_object_that_is_not_there_is_told_before_any_post(desk: Desk) -> None:
    set_up(desk, "list: oss://logs/none.txt")
    ended = await desk.run("run", "job.yaml", environ={})
    assert ended.code == 64
    assert "job.yaml:5:" in ended.err
    assert "oss://logs/none.txt does not exist" in ended.err
    assert desk.lines() == []


async def test_rows_fill_structured_actions_and_those_that_cannot_are_bad(desk: Desk) -> None:
    banners = """\
pipelines:
  - name: banner
    actions:
      - resize: {m: fixed, w: "{row.width}", h: 5}
    target: {bucket: renditions, key: "{key}-{row.width}.jpg"}
"""
    set_up(desk, "csv: keys.csv", pipelines=banners)
    desk.write("local-oss/photos/a.jpg", jpeg(8, 8))
    desk.write("keys.csv", "key,width\na.jpg,6\na.jpg,7\na.jpg,0\na.jpg,wide\na.jpg,6\n")
    ended = await desk.run("run", "job.yaml", "--json", environ={})
    assert (ended.code, ended.json["planned"], ended.json["duplicates"]) == (3, 4, 1), ended.err
    for width in (6, 7):
        with Image.open(desk.path / f"local-oss/renditions/a.jpg-{width}.jpg") as image:
            assert image.size == (width, 5)
    reasons = sorted(line["error"]["message"] for line in desk.lines() if line["status"] == "failed")
    assert ["keys.csv:4" in reasons[0], "keys.csv:5" in reasons[1]] == [True, True]
    assert all("w takes a whole number from 1 to 16384" in reason for reason in reasons)


def giving(objects: dict[str, bytes], resets: int = 0) -> Callable[[Seen], Reply | None]:
    """Gives objects, whole or in ranges; the first `resets` times it closes the connection instead."""
    left = resets

    def answer(request: Seen) -> Reply | None:
        nonlocal left
        content = objects.get(request.key)
        if content is None:
            return None
        if request.method == "HEAD":
            return Reply(headers=(("ETag", '"E"'), ("Content-Length", str(len(content)))))
        assert request.headers["if-match"] == '"E"'
        if left:
            left -= 1
            return Reply(status=None)
        first, last = map(int, re.findall("[0-9]+", request.headers["range"]))
        return Reply(206, body=content[first : last + 1])

    return answer


async def test_a_connection_that_breaks_costs_one_piece_of_an_object(desk: Desk) -> None:
    keys = "".join(f"{number:07}.jpg\n" for number in range(3))
    padded = keys + "".join(f"/{'x' * 1000}\n" for _ in range(9000))  # rows that are bad, and more than one piece
    async with StandIn({"photos": {f"{number:07}.jpg": "E" for number in range(3)}, "renditions": {}}) as server:
        desk.set_up(server, MANIFEST.replace("prefix: in/", "list: oss://photos/keys.txt"))
        server.script = giving({"keys.txt": padded.encode()}, resets=2)
        ended = await desk.run("plan", "job.yaml", "--json")
        pieces = [request.headers["range"] for request in server.seen if "range" in request.headers]
    assert ended.code == 0, ended.err
    assert ended.json["listed"] == 9003
    assert len(pieces) == 5
    assert len(set(pieces)) == 3


async def test_a_signal_ends_a_run_that_waits_for_standard_input_after_it_has_fetched(desk: Desk) -> None:
    inventory = delivered([row("a.jpg")])
    async with StandIn({"photos": {"a.jpg": "E"}, "renditions": {}, "logs": {}}) as server:
        sources = f'inventory: oss://logs/{inventory.manifest}\n  - list: "-"'
        desk.set_up(server, MANIFEST.replace("prefix: in/", sources))
        server.script = giving(inventory.objects)
        process = await desk.start("run", "job.yaml")
        await until(lambda: any(request.key.endswith(".csv.gz") and request.method == "GET" for request in server.seen))
        await asyncio.sleep(0.5)  # until it waits; sooner, the test shows less, but does not fail
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 75
        assert not server.posts

"""One hostile key, one hostile answer: through every output they are text, in all of it and nowhere else."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.desk import KEYS, Desk, Ended
from tests.e2e.test_exits import looked_at
from tests.stand_in import Reply, Seen, StandIn, refusal

# Markup, a formula, an end of a line, what moves a cursor in two ways, and what turns text around.
HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>\x1b[2J\nFORGED\u202e\u061cgpj\x9b."
VISIBLE = "=cmd|'/c calc'!A1<script>alert(1)</script>\\x1b[2J\\x0aFORGED\\u202e\\u061cgpj\\x9b."
GOOD, BAD = f"{HOSTILE}good.jpg", f"{HOSTILE}bad.jpg"
# What XML can hold, an answer may hold.
CODE, MESSAGE = "<script>Odd\u202e", "no <script>alert(2)</script> FORGED\u202e"
UNSAFE = {
    *map(chr, (*range(10), *range(11, 32), *range(127, 160))),
    *"\u061c\u2028\u2029\u200e\u200f\u202a\u202e\u2066",
}
MANIFEST = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: "="
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "{key}"}
"""


def refuse(seen: Seen) -> Reply | None:
    return refusal(400, CODE, MESSAGE.replace(" ", "\n")) if seen.method == "POST" and seen.key == BAD else None


def assert_plain(text: str) -> None:
    """Nothing of it is more than text on a terminal, and no line of it is forged."""
    assert not UNSAFE & set(text), ascii(text)
    assert not any(line.lstrip().startswith("FORGED") for line in text.splitlines()), ascii(text)


@asynccontextmanager
async def pushgateway() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Takes what is pushed; its URL, and all that it was told."""
    told: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        told.append(await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", told


async def said(desk: Desk, *args: str, shows: str = "") -> Ended:
    """What a command says to people, all of it plain; `shows` stands in it as people can see it."""
    ended = await desk.run(*args)
    assert_plain(ended.out)
    assert_plain(ended.err)
    assert shows in ended.out + ended.err, ended.out + ended.err
    return ended


async def told(desk: Desk, *args: str, has: str = "") -> Any:
    """What a command prints as JSON: plain where it is shown, and itself again for who reads it."""
    ended = await desk.run(*args, "--json")
    assert_plain(ended.out)
    assert not has or has in strings(ended.json), (args, ended)
    return ended.json


def strings(value: Any) -> set[str]:
    """All texts within a JSON value."""
    if isinstance(value, dict):
        return set().union(*map(strings, value.values()), value)
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


async def test_a_hostile_key_is_text_in_every_output(desk: Desk) -> None:
    async with StandIn({"photos": {GOOD: "A", BAD: "B"}, "renditions": {}}, refuse) as oss, AsyncExitStack() as stack:
        desk.set_up(oss, MANIFEST)
        gateway, pushed = await stack.enter_async_context(pushgateway())
        within, has_word = await stack.enter_async_context(looked_at(desk))

        await said(desk, "plan", "job.yaml", shows=f"{VISIBLE}good.jpg")
        await told(desk, "plan", "job.yaml", has=f"POST /{GOOD}?x-oss-process")
        await said(desk, "check", "job.yaml", shows="source")
        assert (await said(desk, "explain", HOSTILE, shows="FORGED")).code == 66

        settings = {"OSS_SAVEAS_LOG__FORMAT": "text", "OSS_SAVEAS_LOG__LEVEL": "debug"}
        environ = {**KEYS, **settings, "OSS_SAVEAS_METRICS__PUSHGATEWAY": gateway, "OSS_SAVEAS_RUN": "night"}
        run = await desk.run("run", "job.yaml", "--progress", "log", environ=environ, within=within)
        assert run.code == 3, run.err
        assert_plain(run.out)
        assert_plain(run.err)
        assert "<script>Odd\\u202e: no <script>alert(2)</script>" in run.out
        if has_word:
            word = (desk.path / "word").read_text()
            assert_plain(word)
            assert json.loads(word)["first_error"]["code"] == CODE
        (metrics,) = (text.decode() for text in pushed)
        assert "FORGED" not in metrics
        labels = [one.labels for family in text_string_to_metric_families(metrics) for one in family.samples]
        assert CODE in {found.get("code") for found in labels}

        environ = {**KEYS, "OSS_SAVEAS_LOG__FORMAT": "json", "OSS_SAVEAS_LOG__LEVEL": "debug"}
        again = await desk.run("retry", "job.yaml", "--progress", "log", "--json", environ=environ)
        assert_plain(again.out)
        assert again.json["first_error"]["message"] == MESSAGE
        assert_plain(again.err)
        assert all(json.loads(line)["message"] for line in again.err.splitlines())

        del oss.buckets["renditions"][GOOD]
        await said(desk, "status", "copies", shows="<script>Odd\\u202e")
        await said(desk, "verify", "job.yaml", shows=f"renditions/{VISIBLE}good.jpg: missing")
        assert CODE in strings(await told(desk, "status", "copies", "--all"))

        report = await told(desk, "report", "copies", "--against", "night", "--csv", "f.csv", "--html", "page.html")
        assert {GOOD, BAD, CODE, MESSAGE} <= strings(report)
        rows = list(csv.DictReader(io.StringIO((desk.path / "f.csv").read_text(), newline="")))
        assert [row["source_key"] for row in rows] == [f"'{VISIBLE}bad.jpg"]
        assert_plain((desk.path / "f.csv").read_text())
        html = (desk.path / "page.html").read_text()
        assert_plain(html)
        assert html.count("alert(1)") == html.count("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\x0aFORGED") > 5
        assert html.count("<script>") == 1
        await said(desk, "report", "copies", "--embed", "0", shows="<script>Odd\\u202e")

"""A report in its forms: what came from outside is text in each, and nobody is asked for anything."""

import asyncio
import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.test_figures import line, sized, taken
from tests.unit.test_standing import told
from worker.batch.comparison import Lost, regressions
from worker.batch.figures import Figures
from worker.batch.limits import Limits
from worker.batch.record import ErrorRecord, Record, Status
from worker.batch.specimens import Specimen, Why
from worker.batch.standing import Happened, JobStanding, RunStanding, Trace, run_standing
from worker.batch.task import Shard
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure
from worker.report.contents import Comparison, Contents, Ending
from worker.report.document import document
from worker.report.page import page
from worker.report.pictures import Pair, Picture, fetch_pairs, without_pictures
from worker.report.sheet import COLUMNS, Sheet, cell

T = TypeVar("T")
HOSTILE = "<script>alert(1)</script>\x1b[2J\n=cmd|'/c calc'!A1\u202egpj.exe\"'&{{ 7*7 }}"
VISIBLE = "<script>alert(1)</script>\\x1b[2J\\x0a=cmd|'/c calc'!A1\\u202egpj.exe\"'&{{ 7*7 }}"
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 made up"


class Parsed(HTMLParser):
    """What a page is made of, as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.within: list[str] = []
        self.raw: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.within and self.within[-1] in {"style", "script"}:
            self.raw[self.within[-1]] = self.raw.get(self.within[-1], "") + data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def contents(
    figures: Figures, comparison: Comparison | None = None, text: str = "made up", run: RunStanding | None = None
) -> Contents:
    run = run or run_standing("run-1", [told(code=3, failed=1)], [])
    return Contents(
        standing=JobStanding(job="copies", newest=run, damage={}, retries=[], runs=None),
        headline=text,
        ending=Ending(3, "Some failed.", "Look at them."),
        figures=figures,
        events=[Happened("2026-11-23T08:00:00.000Z", text)],
        notes=[text],
        specimens=[],
        comparison=comparison,
    )


def test_limits_in_force_are_drawn_and_told_where_summaries_tell_of_them() -> None:
    figures = taken([sized("a.jpg", 10, 5)])
    assert "at most" not in "".join(title for title in headings(page(contents(figures), [])))
    (column,) = (one for _, one in figures.columns)
    column.narrow(Limits(37.5, 20, 52))
    html = page(contents(figures), [])
    assert {"Requests in a second, at most", "Tasks in flight, at most"} <= set(headings(html))
    assert {"37.5", "52"} <= set(Parsed(html).texts)
    (told_of,) = json.loads(json.dumps(document(contents(figures))))["columns"]
    assert told_of["limits"] == {"requests_per_second": 37.5, "source_mb_per_second": 20, "concurrency": 52}


def test_a_run_of_which_no_summary_tells_has_no_counts_rather_than_none_saved() -> None:
    figures = taken([sized("a.jpg", 10, 5)])
    killed = run_standing("run-1", [], [Trace("run-1", Shard(0, 1), "p", "1", "2", {"saved": 1})])
    assert {"planned", "not attempted"} <= set(Parsed(page(contents(figures), [])).texts)
    texts = Parsed(page(contents(figures, run=killed), [])).texts
    assert not {"planned", "not attempted"} & set(texts)
    assert any("No summary has told its counts yet" in text and "1 saved" in text for text in texts)


def headings(html: str) -> list[str]:
    return re.findall("<h3>(.*?)</h3>", html)


def hostile_line(text: str = HOSTILE) -> Record:
    error = ErrorRecord(text, 400, "", text, permanent=True)
    made = line(text, Status.FAILED, error=error, pipeline=text, process=text, request_id=text, tries={text: 1})
    return replace(made, source=replace(made.source, bucket=text), duration_ms=1.0)


def hostile_page() -> str:
    failed = hostile_line()
    saved = replace(sized(HOSTILE, 10, 5), pipeline=HOSTILE)
    figures = taken([failed, saved])
    lost = Lost(1, [saved])
    before = Comparison(HOSTILE, Figures(), regressions(figures, taken([saved]), 1), lost, [HOSTILE])
    pairs = [
        Pair(Specimen(saved, Why.RANDOM), Picture(WEBP, ""), Picture(reason=HOSTILE)),
        *without_pictures([Specimen(saved, Why.GREW)]),
    ]
    return page(contents(figures, before, HOSTILE), pairs, HOSTILE)


def test_a_hostile_name_is_text_wherever_it_stands_on_the_page() -> None:
    html = hostile_page()
    parsed = Parsed(html)
    assert [attrs for tag, attrs in parsed.tags if tag == "script"] == [{}]
    assert "alert" not in parsed.raw["script"]
    assert not set("\x1b\u202e") & set(html)
    assert VISIBLE in parsed.text
    # Every place that shows it shows all of it: nothing of it is anywhere but after what it begins with.
    assert html.count("alert(1)") == html.count("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\x0a=cmd|") > 20
    assert "49" not in parsed.text.replace(VISIBLE, "")


def test_the_page_asks_nobody_and_runs_nothing_but_its_own_script() -> None:
    html = hostile_page()
    parsed = Parsed(html)
    known = {"xmlns": {"http://www.w3.org/2000/svg"}}
    for tag, attrs in parsed.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag
            assert name not in {"srcdoc", "action", "formaction", "xlink:href", "ping", "data"}, (tag, name)
            if name == "src":
                assert (tag, str(value)[:23]) == ("img", "data:image/webp;base64,")
            elif name == "href":
                assert value == "#main"
            else:
                assert "://" not in str(value) or value in known.get(name, ()), (tag, name, value)
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"link", "iframe", "object", "embed", "base", "video", "audio", "source", "foreignobject"}
    assert "url(" not in parsed.raw["style"]
    assert "@import" not in parsed.raw["style"]
    for word in ("eval", "innerHTML", "document.write", "Function(", "fetch", "XMLHttpRequest", "setTimeout"):
        assert word not in parsed.raw["script"]


def test_the_policy_of_the_page_allows_its_own_style_and_script_by_their_digests_and_pictures_within() -> None:
    parsed = Parsed(hostile_page())
    (policy,) = [attrs["content"] for _, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    digests = {
        tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for tag, text in parsed.raw.items()
    }
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'; base-uri 'none'; form-action 'none'"
    )


def test_the_page_can_be_used_without_eyes_or_mouse() -> None:
    parsed = Parsed(hostile_page())
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in parsed.tags:
        for name in ("aria-labelledby", "for"):
            assert set(str(attrs.get(name) or "").split()) <= set(ids), (tag, attrs)
        if tag == "img":
            assert attrs["alt"]
        if tag == "th":
            assert attrs["scope"] in {"row", "col"}
        if "wide" in str(attrs.get("class")).split():
            assert attrs["tabindex"] == "0"
            assert attrs["aria-label"]
    assert ("html", {"lang": "en"}) in parsed.tags
    assert [tag for tag, _ in parsed.tags if tag == "h1"] == ["h1"]


def test_the_page_of_a_run_without_lines_says_so() -> None:
    text = Parsed(page(contents(Figures()), [])).text
    assert "0 lines of the run" in text
    assert "Nothing failed." in text


def test_a_page_is_less_than_three_megabytes_whatever_the_names() -> None:
    long = [hostile_line(f"{number:04}" + "\u202e&" * 500) for number in range(3000)]
    figures = taken(replace(one, pipeline="p", tries={}) for one in long)
    html = page(contents(figures), [])
    assert len(html.encode()) < 3_000_000
    text = Parsed(html).text
    assert "of 3,000 failures; oss-saveas report copies --csv FILE writes all of them." in " ".join(text.split())


def test_a_hostile_name_is_itself_again_for_who_reads_the_json() -> None:
    found = json.loads(json.dumps(document(contents(taken([hostile_line()]), text=HOSTILE))))
    (error,) = found["errors"]
    assert (error["code"], error["example"]["source"]["key"]) == (HOSTILE, HOSTILE)
    assert found["tries"] == {HOSTILE: 1}


def rows(lines: Sequence[Record]) -> list[list[str]]:
    file = io.StringIO(newline="")
    sheet = Sheet(file)
    for one in lines:
        sheet.add(one)
    return list(csv.reader(io.StringIO(file.getvalue(), newline=""), strict=True))


def test_a_hostile_name_is_one_cell_of_text_in_the_csv() -> None:
    names, row = rows([hostile_line()])
    assert tuple(names) == COLUMNS
    assert dict(zip(names, row, strict=True))["source_key"] == VISIBLE
    assert len(row) == len(COLUMNS)
    bare = replace(line("=1+1", Status.FAILED), target=None, error=None)
    assert rows([bare])[1][7:12] == ["'=1+1", "1000", "", "", "1"]


@given(st.text())
def test_no_cell_begins_a_formula_or_breaks_a_line(text: str) -> None:
    found = cell(text)
    assert not found.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
    assert "\n" not in found
    assert "\r" not in found


@pytest.mark.parametrize("first", "=+-@\uff1d\uff0b\uff0d\uff20")
def test_what_a_spreadsheet_would_calculate_is_quoted(first: str) -> None:
    assert cell(f"{first}1") == f"'{first}1"
    assert cell(f"1{first}") == f"1{first}"


SPECIMENS = [Specimen(sized(f"{number}.jpg", 1000, 100), Why.RANDOM) for number in range(6)]


async def asked(
    answer: Callable[[Request], Answer | Failure], specimens: Sequence[Specimen] = SPECIMENS
) -> tuple[list[Request], list[Pair]]:
    seen: list[Request] = []

    async def ask(request: Request, judge: Callable[[Answer], T | Failure], size: int | None) -> T | Failure:
        seen.append(request)
        found = answer(request)
        return found if isinstance(found, Failure) else judge(found)

    return seen, await fetch_pairs(ask, specimens)


async def test_pictures_are_asked_for_small_and_upright() -> None:
    seen, pairs = await asked(lambda _: Answer(200, {}, WEBP))
    assert {request.query for request in seen} == {
        (("x-oss-process", "image/auto-orient,1/resize,m_lfit,w_240,h_240/format,webp/quality,q_75"),)
    }
    assert sorted((request.bucket, request.key) for request in seen) == sorted(
        [("photos", f"{number}.jpg") for number in range(6)]
        + [("renditions", f"small/{number}.jpg") for number in range(6)]
    )
    assert {pair.before.content for pair in pairs} == {pair.after.content for pair in pairs} == {WEBP}


async def test_a_service_that_is_not_reached_is_not_asked_again() -> None:
    seen, pairs = await asked(lambda _: failure("ConnectionFailed", "nobody there"))
    assert len(seen) == 1
    assert {pair.after.reason for pair in pairs} == {"ConnectionFailed: nobody there"}


async def test_what_is_refused_is_named_and_the_others_are_shown() -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>"
    _, pairs = await asked(
        lambda request: Answer(403, {}, body) if request.bucket == "photos" else Answer(200, {}, WEBP)
    )
    assert {(pair.before.reason, pair.after.content) for pair in pairs} == {("AccessDenied: not yours", WEBP)}


@pytest.mark.parametrize(
    ("body", "code"), [(b"<svg onload=alert(1)>", "UnreadableAnswer"), (WEBP + bytes(65_536), "AnswerTooLarge")]
)
async def test_what_is_no_small_picture_does_not_get_into_the_page(body: bytes, code: str) -> None:
    _, pairs = await asked(lambda _: Answer(200, {}, body))
    assert {pair.after.reason.partition(":")[0] for pair in pairs} == {code}
    assert not any(pair.after.content for pair in pairs)


async def test_a_page_full_of_pictures_is_less_than_three_megabytes() -> None:
    _, pairs = await asked(lambda _: Answer(200, {}, WEBP + bytes(60_000)), 10 * SPECIMENS)
    assert {pair.after.reason for pair in pairs} == {"", "left out, so that the page stays small"}
    assert len(page(contents(Figures()), pairs).encode()) < 2_500_000


async def test_what_does_not_come_in_time_is_left_out_and_what_has_come_is_shown() -> None:
    async def ask(request: Request, judge: Callable[[Answer], T | Failure], size: int | None) -> T | Failure:
        if request.key != "0.jpg":
            await asyncio.Event().wait()
        return judge(Answer(200, {}, WEBP))

    pairs = await fetch_pairs(ask, SPECIMENS, patience_s=0.05)
    assert [bool(pair.before.content) for pair in pairs] == [True] + [False] * 5
    assert pairs[5].after.reason == "it did not come in time"


def test_a_hostile_name_between_backticks_is_text_all_the_same() -> None:
    parsed = Parsed(page(contents(Figures(), text=f"`{HOSTILE}` is told by `status`"), []))
    assert VISIBLE in parsed.text
    assert [tag for tag, _ in parsed.tags].count("code") == 2
    assert [attrs for tag, attrs in parsed.tags if tag == "script"] == [{}]


def test_targets_that_grew_have_less_than_no_bytes_saved() -> None:
    assert "−2.0 kB (−200 %)" in Parsed(page(contents(taken([sized("a", 1000, 3000)])), [])).text  # noqa: RUF001 - a minus sign, as the page has it

"""A desk: a directory with manifest and settings, where the program is run as users run it, in processes of its own."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stand_in import StandIn

SECRET = "made-up-secret-9f3a77"
KEYS = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": SECRET}
# Attempts last for longer than anybody waits: what ends before does not wait for them.
PATIENT = {**KEYS, "OSS_SAVEAS_TIMEOUT__TOTAL_S": "300"}
# What the machine's own environment must not decide.
_FOREIGN = ("OSS_", "ALIBABA_CLOUD_", "KUBERNETES_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "COV_", "COVERAGE_")
# As a header or a query has it, in either version.
_SIGNATURE = re.compile(rb"Signature=[0-9A-Za-z+/%]{16}|OSS4-HMAC-SHA256 Credential=|OSS made-up-id:")

CONFIG = """\
endpoint: {endpoint}
results: ./results
results_patience_s: 1
limits: {{requests_per_second: {rate}, source_mb_per_second: 1000, concurrency: {concurrency}}}
retry: {{max_attempts: 3, base_delay_s: 0.01, max_delay_s: 0.05, task_deadline_s: 2}}
timeout: {{connect_s: 1, total_s: 20}}
"""
MANIFEST = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: in/
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "small/{key}"}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which has to be exactly one JSON object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass(slots=True)
class Desk:
    """Use the fixture: it ends every process that was started here."""

    path: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def surroundings(self) -> dict[str, str]:
        """No profile file of this machine, and no RAM role of it, may decide; temporary files lie beside the desk."""
        self._temporary.mkdir(exist_ok=True)
        return {"HOME": str(self.path), "TMPDIR": str(self._temporary), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f"{self.path.name}-temporary")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def set_up(
        self,
        server: StandIn | str,
        manifest: str = MANIFEST,
        rate: float = 5000,
        concurrency: int = 32,
        results: str = "./results",
    ) -> None:
        """Write job.yaml and config.yaml."""
        endpoint = server if isinstance(server, str) else server.url
        config = CONFIG.format(endpoint=endpoint, rate=rate, concurrency=concurrency)
        self.write("config.yaml", config.replace("./results", results))
        self.write("job.yaml", manifest)

    async def start(
        self,
        *args: str,
        environ: Mapping[str, str] | None = None,
        stdout: int = PIPE,
        stderr: int = PIPE,
        within: Sequence[str] = (),
    ) -> Process:
        """Begin a command; `within` is a command that begins it in turn, in other surroundings."""
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
        process = await asyncio.create_subprocess_exec(
            *within,
            sys.executable,
            "-m",
            "worker",
            *args,
            cwd=self.path,
            env={**own, **self.surroundings, **(KEYS if environ is None else environ)},
            stdin=PIPE,
            stdout=stdout,
            stderr=stderr,
            limit=1 << 22,
        )
        self.processes.append(process)
        return process

    async def run(
        self,
        *args: str,
        environ: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        within: Sequence[str] = (),
        within_s: float = 90,
    ) -> Ended:
        """Run a command to its end."""
        return await self.end(await self.start(*args, environ=environ, within=within), stdin, within_s)

    async def serve(self, *args: str) -> str:
        """Begin to serve a local OSS; its URL."""
        process = await self.start("serve", *args)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:"), line
        return line.removeprefix("listening on ").strip()

    async def end(self, process: Process, stdin: bytes = b"", within_s: float = 90) -> Ended:
        """Wait for a command's end; there is no end at which a user may meet a traceback."""
        async with asyncio.timeout(within_s):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        ended = Ended(process.returncode, (out or b"").decode(), (err or b"").decode())
        assert "Traceback" not in ended.err, ended.err
        assert "never retrieved" not in ended.err, ended.err
        assert "Warning" not in ended.err, ended.err
        for said in (ended.out, ended.err):
            assert not tells_a_secret(said.encode())
        return ended

    def assert_no_secret(self) -> None:
        """Whatever happened here: no file holds the secret of the keys, or a signature made with it."""
        for path in (*self.path.rglob("*"), *self._temporary.rglob("*")):
            if path.is_file():
                assert not tells_a_secret(path.read_bytes()), path

    async def stop_all(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def lines(self, job: str = "copies") -> list[dict[str, Any]]:
        """All lines of a job's log, the oldest first."""
        text = "".join(whole_lines(path) for path in self.segments(job))
        return sorted(map(json.loads, text.splitlines()), key=lambda line: str(line["at"]))

    def segments(self, job: str = "copies") -> list[Path]:
        """The files of a job's log."""
        return list((self.path / "results" / job).glob("*/*.jsonl"))

    def age(self, days: int, job: str = "copies") -> None:
        """Make everything that a job has written so far look old."""
        long_ago = time.time() - 86400 * days
        for path in (self.path / "results" / job).glob("*/*"):
            os.utime(path, (long_ago, long_ago))

    def summaries(self, job: str = "copies") -> list[dict[str, Any]]:
        """All summaries of a job, the oldest first."""
        paths = (self.path / "results" / job).glob("*/*.summary.json")
        return sorted((json.loads(path.read_text()) for path in paths), key=lambda found: str(found["started"]))

    def saved(self, job: str = "copies") -> set[tuple[str, str]]:
        """The targets with a saved line."""
        targets = [line["target"] for line in self.lines(job) if line["status"] == "saved"]
        return {(target["bucket"], target["key"]) for target in targets}


def tells_a_secret(content: bytes) -> bool:
    """Whether something that was written holds the secret, or a signature."""
    return SECRET.encode() in content or _SIGNATURE.search(content) is not None


def lines_in(server: StandIn, bucket: str = "results") -> list[dict[str, Any]]:
    """All lines of a log in a bucket of a stand-in, the oldest first."""
    segments = [content for (place, key), content in server.contents.items() if (place, key[-6:]) == (bucket, ".jsonl")]
    return sorted(map(json.loads, b"".join(segments).splitlines()), key=lambda line: str(line["at"]))


def saved_in(server: StandIn) -> set[tuple[str, str]]:
    """The targets with a saved line in a bucket of a stand-in."""
    targets = [line["target"] for line in lines_in(server) if line["status"] == "saved"]
    return {(target["bucket"], target["key"]) for target in targets}


def whole_lines(segment: Path) -> str:
    """What a segment holds, without a line that a kill has torn. Ends of lines in keys are escaped in JSON."""
    text = segment.read_bytes().decode(errors="replace")
    return text[: text.rfind("\n") + 1]


async def until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.005)


async def signalled_to_its_end(process: Process, number: signal.Signals, within_s: float = 60) -> None:
    """Send a signal until a process has ended: of one kind those that wait are one, so nobody can send just two.

    That is less time than the grace which a first signal leaves to what is on its way, 75 s.
    """
    async with asyncio.timeout(within_s):
        while process.returncode is None:
            with suppress(ProcessLookupError):
                # The process object would look first whether it has ended, and so take the exit code from asyncio.
                os.kill(process.pid, number)
            await asyncio.sleep(0.2)

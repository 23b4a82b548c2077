"""Letting faults happen: around an operation and on its answer."""

import asyncio
import json
import time

from aiohttp import web

from worker.emulator import refusals
from worker.emulator.call import Answer, Part, blocking
from worker.emulator.faults.deciding import Decision, Faults, Seen
from worker.emulator.faults.rules import Fault, Rule
from worker.emulator.sending import WHOLE, Manner, reset
from worker.emulator.store import Store
from worker.oss.names import bucket_problem, key_problem
from worker.oss.process import PARAMETER
from worker.oss.refusal import RefusedError
from worker.oss.request import Request

_POLL_S = 0.05


class Injector:
    """Applies the decisions of `Faults` to the requests of one server, until that stops."""

    def __init__(self, faults: Faults, store: Store) -> None:
        self._faults = faults
        self._store = store
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._stopping.set()

    async def begin(self, operation: str, request: Request) -> Decision:
        """What happens to a request; to be ended with `end`."""
        query, headers = dict(request.query), dict(request.headers)
        draws = operation == "ProcessObject" or (operation == "GetObject" and PARAMETER in query)
        size = await blocking(self._size, request) if draws and self._faults.measure_sources else 0
        tokens = ("x-oss-security-token" in headers, "security-token" in query, "x-oss-security-token" in query)
        seen = Seen(operation, request.bucket, request.key, draws, size, any(tokens))
        return self._faults.begin(seen, time.monotonic())

    def end(self, decision: Decision) -> None:
        """The request is over."""
        self._faults.end(decision)

    async def before(self, decision: Decision, http: web.BaseRequest) -> None:
        """What happens to a request before its operation.

        Raises:
            RefusedError: It is refused instead.
            ConnectionError: It is cut off instead.
        """
        if decision.delay_s:
            await self._pause(decision.delay_s)
        rule = decision.rule
        if rule is None:
            return
        if (refusal := _refusal(rule)) is not None and not rule.processed:
            raise refusal
        if rule.fault is Fault.HANG and not rule.processed:
            await self._hang(http)
        if rule.fault is Fault.RESET and not rule.processed:
            raise reset(http)

    async def after(self, decision: Decision, http: web.BaseRequest, answer: Answer) -> Answer:
        """What becomes of the answer; raises as `before` does."""
        rule = decision.rule
        if rule is None or not rule.processed:
            return answer
        if isinstance(answer.body, Part) and rule.fault in _REPLACING:
            await blocking(answer.body.content.file.close)
        if (refusal := _refusal(rule)) is not None:
            raise refusal
        if rule.fault is Fault.HANG:
            await self._hang(http)
        if rule.fault is Fault.RESET:
            raise reset(http)
        return spoiled(rule, answer)

    def instead(self, decision: Decision) -> Answer | None:
        """What is answered as if the operation had been carried out, where it is not to be."""
        rule = decision.rule
        if rule is None or rule.processed or rule.fault not in _SPOILING:
            return None
        return spoiled(rule, Answer())

    def manner_of(self, decision: Decision) -> Manner:
        """How the body of the answer goes out; at once where the server stops."""
        match decision.rule:
            case Rule(fault=Fault.HALF_BODY):
                return Manner(half=True)
            case Rule(fault=Fault.SLOW_BODY, seconds=seconds):
                return Manner(seconds=seconds, pause=self._pause)
            case _:
                return WHOLE

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _hang(self, http: web.BaseRequest) -> None:
        while http.transport is not None and not http.transport.is_closing() and not self._stopping.is_set():
            await self._pause(_POLL_S)
        raise ConnectionResetError("nobody waits any longer")

    def _size(self, request: Request) -> int:
        if bucket_problem(request.bucket) or key_problem(request.key) or self._store.bucket(request.bucket) is None:
            return 0
        stored = self._store.stat(request.bucket, request.key)
        return stored.size if stored else 0


def spoiled(rule: Rule, answer: Answer) -> Answer:
    """An answer that says something else than what is so."""
    kept = tuple(pair for pair in answer.headers if pair[0].lower() not in {"content-type", "content-length"})
    as_json = (*kept, ("Content-Type", "application/json"))
    match rule.fault:
        case Fault.WRONG_JSON:
            return Answer(200, as_json, b'{"bucket": "photos", "fileSi')
        case Fault.WRONG_TARGET:
            return Answer(200, as_json, _other_target(answer.body))
        case Fault.EMPTY_ANSWER:
            return Answer(200, kept)
        case _:
            return answer


_SPOILING = frozenset({Fault.WRONG_JSON, Fault.WRONG_TARGET, Fault.EMPTY_ANSWER})
_REPLACING = _SPOILING | {Fault.ANSWER, Fault.HANG, Fault.RESET}


def _other_target(body: bytes | Part) -> bytes:
    """What saveas answers, naming another object than the one that was asked for."""
    try:
        told = json.loads(body) if isinstance(body, bytes) else {}
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    other = {"bucket": "", "fileSize": 1, "status": "OK"} | told | {"object": f"{told.get('object', '')}.other"}
    return json.dumps(other, indent=4).encode()


def _refusal(rule: Rule) -> RefusedError | None:
    """The refusal that a rule answers with. Codes of limits: OSS, pages of HTTP status 429 and 503."""
    match rule.fault:
        case Fault.ANSWER:
            return refusals.limited(rule.status, rule.code, rule.message, rule.ec, rule.retry_after)
        case Fault.QPS_LIMIT:
            return refusals.limited(429, "QpsLimitExceeded", "Please reduce your request rate.")
        case Fault.SOURCE_LIMIT:  # a guess: which code the limit of IMG has is not known
            message = "Your download traffic exceeds the limit. Please reduce it."
            return refusals.limited(503, "DownloadTrafficRateLimitExceeded", message, "0004-00000402")
        case Fault.CPU_LIMIT:
            message = "The image processing uses too many CPU cores. Please retry later."
            return refusals.limited(503, "CpuLimitExceeded", message, "0004-00000801")
        case Fault.EXPIRED_TOKEN:
            return refusals.security_token_expired()
        case _:
            return None

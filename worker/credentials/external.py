"""A program that prints a key: the mode External of the profiles of Alibaba Cloud CLI."""

import asyncio
import os
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import dataclass, field

from worker.credentials.issued import lifetime_s, parse_time, read_object
from worker.credentials.source import Lease, Surroundings, access_key
from worker.errors import StoppedError, UsageError

_ISSUER = "the external command"
_PATIENCE_S = 60  # as in the official SDKs
_OUTPUT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class External:
    """Runs a command without a shell. Neither it nor its standard error is shown: both may hold secrets."""

    command: str = field(repr=False)
    surroundings: Surroundings = field(repr=False)
    patience_s: float = _PATIENCE_S

    @property
    def name(self) -> str:
        """What it is."""
        return "external command"

    async def fetch(self) -> Lease:
        """Run the command and read its output."""
        found = read_object(await self._output(), _ISSUER)
        mode, expiration = found.get("mode", "AK"), found.get("expiration", "")
        if mode not in ("AK", "StsToken"):
            message = f"{_ISSUER} prints a key of a mode that is neither AK nor StsToken"
            raise StoppedError(message)
        values = [str(found.get(name) or "") for name in ("access_key_id", "access_key_secret", "sts_token")]
        if not all(values if mode == "StsToken" else values[:2]):
            message = f"{_ISSUER} prints no access_key_id, access_key_secret or (for StsToken) sts_token"
            raise StoppedError(message)
        key_id, secret, token = values
        key = access_key(key_id, secret, token, f"the output of {_ISSUER}")
        expires = parse_time(expiration) if isinstance(expiration, str) else None
        # The command has no clock of its own: this machine's has to do.
        return Lease(key, lifetime_s(expires, _ISSUER, None, self.surroundings.now()) if expires else None)

    async def _output(self) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words(), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=dict(self.surroundings.environ)
            )
        except OSError as error:
            reason = f"{_ISSUER} of the profile does not start: {error.strerror}"
            raise UsageError(reason, "correct its process_command") from None
        try:
            async with asyncio.timeout(self.patience_s):
                output = await _read(process)
                code = await process.wait()
        except TimeoutError:
            message = f"{_ISSUER} does not end within {self.patience_s:g} s, or prints more than 64 KiB"
            raise StoppedError(message) from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if code != os.EX_OK:
            message = f"{_ISSUER} ends with {code}"
            raise StoppedError(message)
        return output

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError:
            words = []
        if not words:
            reason = "process_command of the profile is no command"
            raise UsageError(reason, "correct it: a program and its arguments, quoted as for a shell")
        return words


async def _read(process: asyncio.subprocess.Process) -> bytes:
    output = b""
    while process.stdout is not None and (chunk := await process.stdout.read(_OUTPUT_BYTES)):
        output += chunk
        if len(output) > _OUTPUT_BYTES:
            raise TimeoutError
    return output

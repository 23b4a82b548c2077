"""`serve`: the local OSS on a port."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from worker.errors import Exit
from worker.telemetry.logs import set_up_logs
from worker.telemetry.output import print_text


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any.")] = 0,
    root: Annotated[Path, typer.Option(help="Folder of the buckets.")] = Path("local-oss"),
    memory: Annotated[bool, typer.Option("--memory", help="Keep everything in memory instead.")] = False,
    access_key_id: Annotated[str, typer.Option(envvar="OSS_ACCESS_KEY_ID", help="The key that may do all.")] = "",
    access_key_secret: Annotated[str, typer.Option(envvar="OSS_ACCESS_KEY_SECRET", help="Its secret.")] = "",
    region: Annotated[str, typer.Option(help="Region of buckets that are in no other.")] = "cn-hangzhou",
    policies: Annotated[Path | None, typer.Option(help="Further access keys, and what each may do.")] = None,
    faults: Annotated[Path | None, typer.Option(help="What goes wrong on purpose.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask nobody for a signature.")] = False,
) -> int:
    """Serve the local OSS: checks signatures, really processes pictures. Ends with SIGTERM or SIGINT."""
    from worker.emulator.app import ServeOptions
    from worker.emulator.app import serve as serve_local_oss

    set_up_logs("auto", "info")
    options = ServeOptions(
        root=None if memory else root,
        host=host,
        port=port,
        region=region,
        access_key_id=access_key_id,
        access_key_secret=access_key_secret,
        auth=not no_auth,
        policies=policies,
        faults=faults,
    )

    async def serve_until_signal() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        # A task, not a coroutine, which would be left without anybody who awaits it where serving fails.
        until = loop.create_task(ended.wait())
        await serve_local_oss(options, ready=lambda url: print_text(f"listening on {url}"), until=until)

    uvloop.run(serve_until_signal())
    return Exit.OK

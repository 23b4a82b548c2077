"""`run` in one process against `serve` in another, with credentials from the environment."""

import asyncio
import signal

import pytest
from PIL import Image

from tests.e2e.desk import KEYS, SECRET, Desk
from tests.emulator.pictures import jpeg

MANIFEST = """\
version: 1
job: copies
bucket: photos
sources:
  - prefix: in/
pipelines:
  - name: small
    process: image/resize,w_40
    target:
      bucket: renditions
      key: "small/{key}"
"""


async def serve(desk: Desk, *args: str) -> str:
    desk.write("oss/photos/in/a b.jpg", jpeg(80, 60))
    desk.write("oss/photos/in/雪+100%.jpg", jpeg(80, 60))
    (desk.path / "oss/renditions").mkdir()
    return await desk.serve("--root", "oss", *args)


@pytest.mark.parametrize("signature", ["v4", "v1"])
async def test_a_run_saves_pictures_through_a_served_local_oss(desk: Desk, signature: str) -> None:
    url = await serve(desk)
    desk.set_up(url, MANIFEST)
    ended = await desk.run("run", "job.yaml", "--json", environ={**KEYS, "OSS_SAVEAS_SIGNATURE": signature})
    assert (ended.code, ended.json["saved"]) == (0, 2), ended.err
    for name in ("a b.jpg", "雪+100%.jpg"):
        with Image.open(desk.path / "oss/renditions/small/in" / name) as image:
            assert image.size == (40, 30)
    server = desk.processes[0]
    server.send_signal(signal.SIGTERM)
    assert (await desk.end(server)).code == 0


async def test_no_secret_is_written_anywhere(desk: Desk) -> None:
    desk.set_up(await serve(desk), MANIFEST)
    ended = await desk.run("run", "job.yaml", "--json", environ={**KEYS, "OSS_SAVEAS_LOG__LEVEL": "debug"})
    refused = await desk.run("run", "job.yaml", environ={**KEYS, "OSS_ACCESS_KEY_ID": "somebody-else"})
    served = desk.processes[0]
    served.send_signal(signal.SIGINT)
    server = await desk.end(served)
    written = [path.read_bytes() for path in desk.path.rglob("*") if path.is_file()]
    said = [text.encode() for run in (ended, refused, server) for text in (run.out, run.err)]
    assert (ended.code, refused.code) == (0, 77)
    assert not any(SECRET.encode() in text for text in written + said)


async def test_a_wrong_secret_is_77_and_one_clear_line(desk: Desk) -> None:
    desk.set_up(await serve(desk), MANIFEST)
    ended = await desk.run("run", "job.yaml", environ={**KEYS, "OSS_ACCESS_KEY_SECRET": "not-it"})
    assert ended.code == 77
    errors = [line for line in ended.err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "SignatureDoesNotMatch" in errors[0]
    assert ended.out == ""
    assert not (desk.path / "oss/renditions/small").exists()


async def test_a_missing_bucket_is_64_and_names_the_line_of_the_manifest(desk: Desk) -> None:
    desk.set_up(await serve(desk), MANIFEST.replace("bucket: renditions", "bucket: nowhere-here"))
    ended = await desk.run("run", "job.yaml", "--json")
    assert ended.code == 64
    assert "job.yaml:10:15:" in ended.err
    assert "'nowhere-here' does not exist" in ended.err
    assert ended.json["exit"] == 64
    desk.write("job.yaml", MANIFEST.replace("photos", "none"))
    ended = await desk.run("run", "job.yaml")
    assert ended.code == 64
    assert "job.yaml:5:" in ended.err


async def test_credentials_that_are_not_there_are_64(desk: Desk) -> None:
    desk.set_up("http://127.0.0.1:9", MANIFEST)
    ended = await desk.run("run", "job.yaml", environ={})
    assert ended.code == 64
    assert "OSS_ACCESS_KEY_ID" in ended.err


async def test_a_port_where_nobody_listens_is_told_within_the_deadline(desk: Desk) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    desk.set_up(f"http://127.0.0.1:{port}", MANIFEST)
    ended = await desk.run("run", "job.yaml", "--json", within_s=60)
    assert ended.code == 4, ended.err
    assert ended.json["outcome"] == "stopped"
    assert f"cannot reach http://127.0.0.1:{port}" in ended.err
    # Long before, a person is told once why nothing happens.
    assert ended.err.count('"level": "warning", "message": "attempt failed, will be made again"') == 1


async def test_serve_says_what_is_wrong_with_its_port_and_folder(desk: Desk) -> None:
    url = await serve(desk)
    port = url.rpartition(":")[2]
    taken = await desk.run("serve", "--memory", "--port", port)
    assert (taken.code, taken.out) == (64, "")
    assert "cannot listen" in taken.err
    nowhere = await desk.run("serve", "--memory", "--host", "a..b")
    assert (nowhere.code, nowhere.err.count("\n")) == (64, 2)
    assert "cannot listen on a..b:0: this is no host" in nowhere.err
    endless = await desk.run("serve", "--memory", "--no-auth", "--faults", "/dev/zero")
    assert endless.code == 64
    assert "/dev/zero: error: larger than" in endless.err
    desk.write("file", b"")
    assert (await desk.run("serve", "--root", "file")).code == 64
    no_key = await desk.run("serve", "--memory", environ={})
    assert no_key.code == 64
    assert "--no-auth" in no_key.err

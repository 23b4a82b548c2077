"""The fixture `oss_server`: what a test of somebody else's can do with it, and that it costs nothing unused."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import oss2
import pytest

from tests.emulator.pictures import jpeg, opened
from worker.emulator.pytest_plugin import oss_server
from worker.emulator.threaded import ThreadedOSS
from worker.errors import UsageError

__all__ = ["oss_server"]  # a fixture, used by its name

ROOT = Path(__file__).parents[2]
PLUGIN = "worker.emulator.pytest_plugin"


def bucket_of(server: ThreadedOSS, name: str = "") -> oss2.Bucket:
    auth = oss2.AuthV4(server.access_key_id, server.access_key_secret)
    return oss2.Bucket(auth, server.endpoint, name or server.bucket, region=server.region)


def test_the_fixture_is_a_local_oss_for_any_client(oss_server: ThreadedOSS) -> None:
    bucket = bucket_of(oss_server)
    bucket.put_object("a.jpg", jpeg(60, 40))
    assert oss_server.get("a.jpg") == jpeg(60, 40)
    assert opened(bucket.get_object("a.jpg", process="image/resize,w_30").read()).size == (30, 20)
    oss_server.make_bucket("other-bucket")
    oss_server.put("b", b"bytes", bucket="other-bucket", content_type="text/x")
    oss_server.put_style("small", "image/resize,w_15")
    found = bucket_of(oss_server, "other-bucket").get_object("b")
    assert (found.read(), found.content_type) == (b"bytes", "text/x")
    assert opened(bucket.get_object("a.jpg", process="style/small").read()).size == (15, 10)
    assert (oss_server.keys(), oss_server.keys(bucket="other-bucket")) == (["a.jpg"], ["b"])
    assert oss_server.get("missing") is None


def test_things_go_wrong_on_demand(oss_server: ThreadedOSS) -> None:
    oss_server.put("a", b"bytes")
    oss_server.fault("answer", status=503, code="ServiceUnavailable", operation="Get*", from_=1, to=1)
    bucket = bucket_of(oss_server)
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.get_object("a")
    assert caught.value.code == "ServiceUnavailable"
    assert bucket.get_object("a").read() == b"bytes"
    with pytest.raises(UsageError, match="write reset"):
        oss_server.fault("resett")


WRONG: dict[str, Callable[[ThreadedOSS], object]] = {
    "no bucket can be named 'Not A Bucket'": lambda server: server.make_bucket("Not A Bucket"),
    "there is no bucket 'missing'; there are: test-bucket": lambda server: server.put("a", b"", bucket="missing"),
    "there is no bucket 'missing'": lambda server: server.get("a", bucket="missing"),
    "no bucket 'missing'": lambda server: server.keys(bucket="missing"),
    "bucket 'missing'": lambda server: server.put_style("a", "image/resize,w_1", bucket="missing"),
    "no object can have the key '/a': ": lambda server: server.put("/a", b""),
    "no object can have the key '': an object key cannot be empty": lambda server: server.get(""),
    "the style 'a b' is refused": lambda server: server.put_style("a b", "image/resize,w_1"),
    "the style 'a' is refused: Style content is invalid": lambda server: server.put_style("a", "resize,w_1"),
    "'large' has no room: the server holds": lambda server: server.put("large", bytes(300 << 20)),
}


@pytest.mark.parametrize("told", WRONG)
def test_what_the_service_would_refuse_is_told_at_once(oss_server: ThreadedOSS, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        WRONG[told](oss_server)
    assert told in str(caught.value)
    assert oss_server.keys() == []


def test_a_bucket_takes_fifty_styles(oss_server: ThreadedOSS) -> None:
    for number in range(50):
        oss_server.put_style(f"style-{number}", "image/resize,w_1")
    oss_server.put_style("style-7", "image/resize,w_2")
    with pytest.raises(UsageError, match="style-50"):
        oss_server.put_style("style-50", "image/resize,w_1")


def test_each_test_has_a_server_of_its_own(oss_server: ThreadedOSS) -> None:
    assert oss_server.keys() == []
    with ThreadedOSS() as other:
        assert other.endpoint != oss_server.endpoint
        assert other.access_key_secret != oss_server.access_key_secret
        auth = oss2.AuthV4(other.access_key_id, other.access_key_secret)
        bucket = oss2.Bucket(auth, oss_server.endpoint, "test-bucket", region="cn-hangzhou")
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket.get_object("a")
        assert caught.value.code == "InvalidAccessKeyId"


def run_pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_another_projects_pytest_finds_the_fixture(tmp_path: Path) -> None:
    test = "def test_it(oss_server):\n    oss_server.put('a', b'x')\n    assert oss_server.keys() == ['a']\n"
    ended = run_pytest(tmp_path, test)
    assert (ended.returncode, "1 passed" in ended.stdout) == (0, True), ended.stdout + ended.stderr


def test_unused_it_loads_nothing_of_the_package_that_costs(tmp_path: Path) -> None:
    test = (
        "import sys\n"
        "def test_it():\n"
        "    heavy = ('worker', 'aiohttp', 'pyvips', 'PIL')\n"
        "    found = {name for name in sys.modules if name.partition('.')[0] in heavy}\n"
        "    assert found == {'worker', 'worker.emulator', 'worker.emulator.pytest_plugin'}\n"
    )
    ended = run_pytest(tmp_path, test)
    assert ended.returncode == 0, ended.stdout


def test_the_package_offers_it_to_pytest_and_its_own_tests_block_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"oss_saveas": PLUGIN}
    assert "no:oss_saveas" in project["tool"]["pytest"]["ini_options"]["addopts"]

"""The image: clean by hadolint; with `make chaos`, and where there is a builder, built and run as its pods run it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = "localhost/oss-saveas-test-base"
IMAGE = "localhost/oss-saveas-test"
ENVIRON = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
NEEDED = ("buildah", "mmdebstrap")
MISSING = [tool for tool in NEEDED if shutil.which(tool) is None]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_sent_to_the_builder_is_what_the_image_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    copied = {"requirements", "pyproject.toml", "README.md", "LICENSE", "worker"}
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def buildah(*args: str) -> str:
    done = subprocess.run(
        [shutil.which("buildah") or "buildah", *args],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRON,
        cwd=ROOT,
    )
    assert done.returncode == 0, f"{args}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image with the local OSS, on a Debian of its own: no registry is asked."""
    if MISSING or os.geteuid() != 0:
        pytest.skip(f"needs root and {' and '.join(NEEDED)}; missing: {', '.join(MISSING) or 'root'}")
    context = tmp_path_factory.mktemp("base")
    base = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--include=ca-certificates",
        "bookworm",
        str(context / "base.tar"),
    ]
    subprocess.run(base, check=True, capture_output=True)
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    buildah("build", "--quiet", "--tag", BASE, str(context))
    # As this machine finds packages, so does the build.
    places = [place for place in ("/etc/pip.conf", "/etc/ssl/certs") if Path(place).exists()]
    mounts = [word for place in places for word in ("--volume", f"{place}:{place}:ro")]
    args = ("--build-arg", f"BASE={BASE}", "--build-arg", "EXTRA=local", "--tag", IMAGE, ".")
    buildah("build", "--quiet", "--network", "host", *mounts, *args)
    try:
        yield IMAGE
    finally:
        buildah("rmi", "--force", IMAGE, BASE)


@pytest.mark.chaos
def test_the_image_runs_the_demonstration_as_a_user_without_rights(image: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(ROOT / "jobs", work / "jobs")
    shutil.copy(ROOT / "config.yaml", work)
    for path in (work, *work.rglob("*")):
        os.chown(path, 65532, 65532)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    container = buildah("from", image)
    try:
        run = ("run", "--user", "65532", "--volume", f"{work}:/work", "--workingdir", "/work", container, "--")
        text = buildah(*run, "oss-saveas", "run", "jobs/quickstart.yaml", "--progress", "none")
        assert "saved          36" in text, text
        assert len(list((work / "local-oss" / "renditions").rglob("*.*"))) >= 36
        assert buildah(*run, "id", "-u") == "65532"
        tools = buildah(*run, "sh", "-c", "for tool in gcc cc make pip; do command -v $tool; done; true")
        assert tools == ""
    finally:
        buildah("rm", container)

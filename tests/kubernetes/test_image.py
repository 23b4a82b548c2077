"""The image: clean by hadolint; with `make image`, and where there is a builder, built and run as its pods run it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import Figures
from tests.kubernetes.rendering import KUBERNETES, render

ROOT = Path(__file__).parents[2]
# Each process of the tests has its own.
BASE = f"localhost/oss-saveas-test-base-{os.getpid()}"
IMAGE = f"localhost/oss-saveas-test-{os.getpid()}"
POD = f"oss-saveas-test-{os.getpid()}"
KEYS = {"OSS_ACCESS_KEY_ID": "local-demo", "OSS_ACCESS_KEY_SECRET": "local-demo-secret"}
ENVIRON = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
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
    made = subprocess.run(base, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"there is no Debian to build on: {made.stderr[-400:]}")
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
def test_the_image_runs_the_demonstration_as_a_user_without_rights(
    image: str, tmp_path: Path, figures: Figures
) -> None:
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
        size, base = (buildah("images", "--format", "{{.Size}}", name) for name in (image, BASE))
        figures({"is the size of the image with the local OSS": size, "of that its base": base})
    finally:
        buildah("rm", container)


# Without systemd, and where limits cannot be raised.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
BUCKETS = KUBERNETES / "overlays" / "local-demo" / "buckets.yaml"


def pod_of(overlay: Path) -> str:
    """The pod of index 0, as a Job makes it of the template, beside the ConfigMaps that it mounts."""
    documents = [one for one in yaml.safe_load_all(render(overlay)) if one]
    template = next(one for one in documents if one["kind"] == "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container["image"] = IMAGE
    container["imagePullPolicy"] = "Never"
    # What controller and kubelet would put there: podman knows no labels of Jobs, and no Secrets of a namespace.
    container["env"] = [one for one in container["env"] if "value" in one]
    given = {"JOB_COMPLETION_INDEX": "0", "OSS_SAVEAS_RUN": "night-1", "KUBERNETES_SERVICE_HOST": "10.0.0.1", **KEYS}
    container["env"] += [{"name": name, "value": value} for name, value in given.items()]
    del container["envFrom"], container["ports"]  # the network of the host has them all
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": template["spec"]}
    return yaml.safe_dump_all([*(one for one in documents if one["kind"] == "ConfigMap"), pod])


@pytest.mark.chaos
def test_podman_plays_the_rendered_pod(image: str, tmp_path: Path) -> None:
    podman = shutil.which("podman")
    if podman is None or shutil.which("runc") is None or shutil.which("catatonit") is None:
        pytest.skip("needs podman, runc and catatonit")
    (tmp_path / "containers.conf").write_text(CONTAINERS)
    environ = {**os.environ, "CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    worker, root = [sys.executable, "-m", "worker"], tmp_path / "oss"
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "overlays" / "local-demo"
    plan = [*worker, "plan", str(overlay / "job.yaml"), "--endpoint", "local", "--results", str(tmp_path / "none")]
    subprocess.run(plan, check=True, env={**environ, "OSS_SAVEAS_LOCAL__ROOT": str(root)}, capture_output=True)
    serve = [*worker, "serve", "--root", str(root), "--policies", str(BUCKETS)]
    with subprocess.Popen(serve, env={**environ, **KEYS}, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            for name, old, new in (
                ("config.yaml", "http://local-oss:8080", url),
                ("kustomization.yaml", "shards=2, parallelism=2", "shards=1, parallelism=1"),
            ):
                text = (overlay / name).read_text()
                assert old in text
                (overlay / name).write_text(text.replace(old, new))
            (tmp_path / "pod.yaml").write_text(pod_of(overlay))
            play = [podman, "kube", "play", "--network", "host", str(tmp_path / "pod.yaml")]
            played = subprocess.run(play, env=environ, capture_output=True, text=True, check=False)
            assert played.returncode == 0, played.stderr
            wait = [podman, "wait", f"{POD}-worker"]
            code = subprocess.run(wait, env=environ, capture_output=True, text=True, check=True, timeout=300).stdout
            logs = subprocess.run(
                [podman, "logs", f"{POD}-worker"], env=environ, capture_output=True, text=True, check=True
            )
            assert code.strip() == "0", logs.stdout + logs.stderr
        finally:
            subprocess.run([podman, "pod", "rm", "--force", POD], env=environ, capture_output=True, check=False)
            server.terminate()
    assert len(list((root / "results").rglob("*.summary.json"))) == 1
    assert len([path for path in (root / "renditions").rglob("*.*") if ".oss" not in path.parts]) >= 36

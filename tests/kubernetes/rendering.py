"""The overlays of deploy/kubernetes as kustomize renders them."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Tree = dict[str, Any]
KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("single-pod", "sharded", "local-demo")
# Of the test lock: what is on the PATH may be of any age.
_KUBECTL = Path(sys.executable).with_name("kubectl")


@cache
def rendered(overlay: str) -> str:
    """An overlay as it is sent to a cluster."""
    return render(KUBERNETES / "overlays" / overlay)


def render(folder: Path) -> str:
    """What kustomize makes of a folder."""
    done = subprocess.run([_KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(overlay: str) -> list[Tree]:
    """The documents of an overlay, anew each time: a test may change them."""
    return list(yaml.safe_load_all(rendered(overlay)))


def of_kind(kind: str, found: list[Tree]) -> list[Tree]:
    """Those of a kind."""
    return [one for one in found if one["kind"] == kind]

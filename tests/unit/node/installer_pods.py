# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Nodes for tests: directories of this machine on which the installer's real script runs."""

import base64
import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS, JsonObject
from azext_seccomp.cluster.namespace import NAMESPACE
from azext_seccomp.node import manifest
from tests.unit.fakes import FakeKube

REFUSAL_OF_FLAGS = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "seccomp flags are not yet supported by runc: unknown"
)


def run_script(
    shell: Sequence[str], base: Path, *arguments: str, contents: Sequence[bytes] = (), session: str = "s1"
) -> "subprocess.CompletedProcess[bytes]":
    """Run the script on ``base/seccomp``; its answer is in ``base/answer``."""
    (base / "seccomp").mkdir(exist_ok=True)
    (base / "content").mkdir(exist_ok=True)
    (base / "installer.sh").write_bytes(manifest.script())
    for number, content in enumerate(contents):
        (base / "content" / str(number)).write_bytes(content)
    paths = [str(base / name) for name in ("installer.sh", "seccomp", "content", "answer")]
    return subprocess.run([*shell, *paths, session, *arguments], capture_output=True, timeout=60, check=False)


class Kubelets:
    """Stands for the kubelets of all nodes: ``FakeKube(on_create=Kubelets(directory))`` runs each installer created.

    ``instead``: by node name, what happens to the pod instead: a status, or None for a node that never takes it up.
    ``old_runc``: names of nodes whose runc refuses the flags of a filter.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.instead: dict[str, dict[str, Any] | None] = {}
        self.old_runc: set[str] = set()
        self.threads: list[threading.Thread] = []

    def __call__(self, kube: FakeKube, created: JsonObject) -> None:
        if created.get("kind") == "Pod":
            thread = threading.Thread(target=self._run, args=(kube, created), daemon=True)
            self.threads.append(thread)
            thread.start()

    def node(self, name: str) -> Path:
        """The seccomp directory of a node."""
        path = self.directory / name / "seccomp"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _run(self, kube: FakeKube, pod: JsonObject) -> None:
        name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
        where = PODS.path(NAMESPACE, name)
        if node in self.instead:
            status = self.instead[node]
            if status is not None:
                kube.set_status(where, status)
            return
        profile = pod["spec"]["securityContext"]["seccompProfile"].get("localhostProfile")
        if profile and "flags" in json.loads((self.node(node) / profile).read_bytes()) and node in self.old_runc:
            kube.set_status(where, ended(128, REFUSAL_OF_FLAGS))
            return
        base = self.node(node).parent
        command = list(pod["spec"]["containers"][0]["command"])
        contents = {
            key: base64.b64decode(data)
            for source in pod["spec"]["volumes"][1]["projected"]["sources"]
            for key, data in kube.get(CONFIG_MAPS.path(NAMESPACE, source["configMap"]["name"]))["binaryData"].items()
        }
        assert contents.pop("installer.sh") == manifest.script()
        ran = run_script(
            ["sh"], base, *command[6:], contents=[contents[str(n)] for n in range(len(contents))], session=command[5]
        )
        kube.logs[name] = [b"2026-01-01T00:00:00.000000000Z " + line for line in ran.stdout.splitlines()]
        kube.set_status(where, ended(ran.returncode, (base / "answer").read_text()[:4096]))


def ended(exit_code: int, message: str) -> dict[str, Any]:
    """The status of a pod whose container ended."""
    terminated = {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error", "message": message}
    phase = "Succeeded" if exit_code == 0 else "Failed"
    return {"phase": phase, "containerStatuses": [{"name": "installer", "state": {"terminated": terminated}}]}


def stuck(reason: str, message: str) -> dict[str, Any]:
    """The status of a pod whose container does not start."""
    waiting = {"reason": reason, "message": message}
    return {"phase": "Pending", "containerStatuses": [{"name": "installer", "state": {"waiting": waiting}}]}

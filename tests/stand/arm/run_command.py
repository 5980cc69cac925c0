# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks command invoke``: a command that AKS runs in a pod of the cluster, here in a directory of this machine.

Copied from the documentation (azure-aks-docs, access-private-cluster.md): at most 512 kB of output; the exit code of
the command is data, not the state of the run.
"""

import base64
import io
import os
import subprocess
import tempfile
import threading
import uuid
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

MAX_LOGS = 512 * 1024


class Runs:
    """The commands that were started. Each runs in a thread of its own.

    :param kubeconfig: what the commands find in KUBECONFIG.
    :param timeout: longest run in seconds; AKS calls one that takes longer Failed.
    """

    def __init__(self, kubeconfig: Path | None, timeout: float = 60.0) -> None:
        self._kubeconfig = kubeconfig
        self._timeout = timeout
        self._runs: dict[str, dict[str, Any]] = {}
        self._threads: list[threading.Thread] = []

    def start(self, command: str, context: str) -> str:
        """Start ``command`` beside the files in ``context`` (base64 of a zip archive); returns the id of the run."""
        identity = uuid.uuid4().hex
        run: dict[str, Any] = {"provisioningState": "Running", "startedAt": _now()}
        self._runs[identity] = run
        thread = threading.Thread(target=self._run, args=(run, command, context))
        self._threads.append(thread)
        thread.start()
        return identity

    def get(self, identity: str) -> dict[str, Any] | None:
        """State of a run in the form of RunCommandResult."""
        run = self._runs.get(identity)
        return None if run is None else {"id": identity, "properties": dict(run)}

    def wait(self) -> None:
        """Wait until every command has ended."""
        for thread in self._threads:
            thread.join()

    def _run(self, run: dict[str, Any], command: str, context: str) -> None:
        with tempfile.TemporaryDirectory() as directory:
            if context:
                with zipfile.ZipFile(io.BytesIO(base64.b64decode(context))) as archive:
                    archive.extractall(directory)
            environment = {**os.environ, "KUBECONFIG": str(self._kubeconfig or "/nonexistent")}
            try:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=directory,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=self._timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                run.update(provisioningState="Failed", reason="command timed out", finishedAt=_now())
                return
        logs = done.stdout[:MAX_LOGS].decode(errors="replace")
        run.update(provisioningState="Succeeded", exitCode=done.returncode, logs=logs, finishedAt=_now())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")

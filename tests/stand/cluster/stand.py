# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The stand as a whole: bring it up, find out whether it is healthy, use it, take it down."""

import fcntl
import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import build, packages, pki, process_events, runtimes
from .audit_stream import AuditStream
from .cgroups import ControlGroups
from .control_plane import API_SERVER, CONTROLLER_MANAGER, PROGRAMS, ControlPlane, require_free_ports
from .daemons import DAEMON_GROUP, Daemons
from .images import ensure_images
from .layout import Layout, node_name, own_address
from .network import Network
from .node import Node
from .shell import StandError, run, wait_until

HEALTH_SECONDS = 45.0
PROCESS_EVENTS = "process-events"
# kept over down and up: the authority, which certificates outside the cluster hang on, and the lock
KEPT = ("pki", "lock", "log")
# a node that does not report for a day is still Ready: fake nodes do not report
PATIENT = ("--node-monitor-grace-period=24h", "--node-startup-grace-period=24h")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """What runs now, as noted in the state directory: the machine's address, the number of nodes, and each image's
    archive.
    """

    address: str
    nodes: int
    images: dict[str, str]


class Stand:
    """A cluster on this machine. Safe against a second process that does the same: ``up`` and ``down`` wait for each
    other.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self._groups = ControlGroups(self.layout.name)
        self._daemons = Daemons(self.layout, self._groups)
        self._network = Network(self.layout)

    # -- whole stand

    def up(self, nodes: int = 2) -> None:
        """Have a healthy cluster with so many nodes; one that runs already is used.

        :raises StandError: something that it needs cannot be had, or does not start.
        """
        if not 0 <= nodes <= 99:
            raise StandError("0 to 99 nodes")
        with self._locked():
            running = self._running()
            if running is not None and running.nodes == nodes and self._becomes_healthy():
                self._update_images()
                return
            packages.ensure_installed(*packages.RUNTIME_PACKAGES)
            build.ensure_programs(self.layout)
            if nodes > 1:
                runtimes.ensure_newer(self.layout)
            archives = ensure_images(self.layout)
            self._clear()
            self._start(nodes, archives)

    def down(self) -> None:
        """End everything and leave nothing behind but caches, the authority and the logs."""
        with self._locked():
            self._clear()

    def healthy(self) -> bool:
        """Whether all programs run, the API server answers and every node is Ready."""
        return self._alive() and self.control_plane().ready() and self._ready_nodes() >= set(self.node_names)

    def _alive(self) -> bool:
        """Whether all programs run."""
        if self._running() is None or any(self._daemons.pid(name) is None for name in (*PROGRAMS, PROCESS_EVENTS)):
            return False
        return all(node.running() for node in self.nodes())

    def _becomes_healthy(self) -> bool:
        """As ``healthy``, with patience for a machine that is busy: a stand in use is not replaced lightly."""
        if not self._alive():
            return False
        try:
            wait_until(self.healthy, "health", HEALTH_SECONDS)
        except StandError as error:
            log.info("the stand that runs is replaced: %s", error)
            return False
        return True

    # -- parts, for tests

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator."""
        return self.layout.kubeconfig

    @property
    def node_names(self) -> list[str]:
        running = self._running()
        return [node_name(index) for index in range(1, running.nodes + 1)] if running else []

    def nodes(self) -> list[Node]:
        return [self.node(index) for index in range(1, len(self.node_names) + 1)]

    def node(self, index: int) -> Node:
        """The node with this number, counted from 1.

        :raises StandError: the stand is down or has no such node.
        """
        running = self._required()
        if not 1 <= index <= running.nodes:
            raise StandError(f"the stand has no node {index}")
        return Node(self.layout, self._daemons, self._groups, running.address, index)

    def node_exec(
        self, index: int, *argv: str, stdin: bytes | None = None, check: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Run a program that sees the directories of a node; returns exit code, stdout, stderr."""
        return self.node(index).execute(*argv, stdin=stdin, check=check)

    def control_plane(self) -> ControlPlane:
        return ControlPlane(self.layout, self._daemons, self._required().address)

    def stop_api_server(self, *, kill: bool = False) -> None:
        self._daemons.stop(API_SERVER, kill=kill, seconds=70)

    def start_api_server(self) -> None:
        self.control_plane().start_api_server()

    @contextmanager
    def patient_controller_manager(self) -> Iterator[None]:
        """While this lasts, a node that does not report stays Ready."""
        self._daemons.stop(CONTROLLER_MANAGER)
        self.control_plane().start_controller_manager(PATIENT)
        try:
            yield
        finally:
            self._daemons.stop(CONTROLLER_MANAGER)
            self.control_plane().start_controller_manager()

    def audit_records(self) -> AuditStream:
        """A context that keeps the kernel's own seccomp records, to compare with."""
        return AuditStream()

    def processes(self) -> dict[str, int]:
        """Name and process id of every program that runs."""
        return {name: pid for name in self._daemons.names() if (pid := self._daemons.pid(name)) is not None}

    # -- steps

    def _start(self, nodes: int, archives: dict[str, Path]) -> None:
        layout = self.layout
        require_free_ports(layout)
        layout.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        pki.ensure_authority(layout)
        self._note(Running(own_address(), nodes, {}))
        self._groups.create(DAEMON_GROUP)
        self._network.up()
        self._daemons.start(PROCESS_EVENTS, *process_events.command())
        members = self.nodes()
        for node in members:
            node.start_containerd(self._network)
        control_plane = self.control_plane()
        control_plane.create_identities()
        control_plane.start()
        for node in members:
            node.create_identity()
            node.wait_for_containerd()
            for archive in archives.values():
                node.import_image(archive)
            node.start_kubelet()
        self._note_images(archives)
        wait_until(lambda: self._ready_nodes() >= set(self.node_names), "nodes Ready", 60 + 10 * nodes)
        wait_until(self._has_default_account, "service account of the namespace default", 60)

    def _clear(self) -> None:
        """Remove whatever is there, of a running stand or of one that was killed half-way."""
        if (self.layout.pid_files / API_SERVER).exists():
            log.info("taking the stand down")
        self._groups.kill()
        self._groups.remove()
        self._network.down()
        shutil.rmtree(self.layout.cni_data, ignore_errors=True)
        if self.layout.state.is_dir():
            for entry in self.layout.state.iterdir():
                if entry.name in KEPT:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()

    def _update_images(self) -> None:
        """Give a running stand those images that were changed since it started."""
        archives = ensure_images(self.layout)
        known = self._required().images
        changed = [archive for reference, archive in archives.items() if known.get(reference) != archive.name]
        for node in self.nodes():
            for archive in changed:
                node.import_image(archive)
        self._note_images(archives)

    def _note_images(self, archives: dict[str, Path]) -> None:
        images = {reference: archive.name for reference, archive in archives.items()}
        self._note(replace(self._required(), images=images))

    def _ready_nodes(self) -> set[str]:
        """Names of the nodes that are Ready; none when the API server does not answer."""
        answer = self._kubectl("get", "nodes", "-o", "json", "--request-timeout=20s")
        items = json.loads(answer.stdout)["items"] if answer.returncode == 0 else []
        return {
            node["metadata"]["name"]
            for node in items
            if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", []))
        }

    def _has_default_account(self) -> bool:
        return self._kubectl("get", "serviceaccount", "default").returncode == 0

    def _kubectl(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        return run("kubectl", "--kubeconfig", self.kubeconfig, *argv, check=False)

    def _running(self) -> Running | None:
        try:
            return Running(**json.loads(self.layout.record.read_text()))
        except FileNotFoundError:
            return None

    def _required(self) -> Running:
        running = self._running()
        if running is None:
            raise StandError("the stand is not up")
        return running

    def _note(self, running: Running) -> None:
        unfinished = self.layout.record.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(running), indent=1))
        unfinished.rename(self.layout.record)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.layout.state.mkdir(parents=True, exist_ok=True)
        with open(self.layout.state / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

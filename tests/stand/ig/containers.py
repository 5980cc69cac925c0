# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The containers of this node, from the bundles that its containerd keeps (runtime v2 task directory).

A bundle is ``<containerd state>/io.containerd.runtime.v2.task/k8s.io/<id>`` with the runtime-spec ``config.json`` and
``init.pid``, the id of the container's first process. containerd's CRI plugin notes pod and container in the
annotations ``io.kubernetes.cri.*``. The bundle of a container that has ended is gone within some tens of milliseconds;
names are then to be had from the link that the kubelet makes to its log.
"""

import ctypes
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
ANNOTATION = "io.kubernetes.cri."
IN_CREATE, IN_NONBLOCK = 0x100, os.O_NONBLOCK
_NOTICE = struct.Struct("iIII")
# Ended containers are kept, since records of them may still come; one entry is about 1 kB.
KEEP = 10_000


@dataclass
class Container:
    """What an event says about its container. ``pid`` is 0 until the container's first process exists."""

    id: str
    name: str
    pod: str
    namespace: str
    image: str
    sandbox: bool
    host_network: bool
    pid: int = 0
    started_ns: int = 0
    mount_namespace: int = 0


class Containers:
    """Knows the containers that run, and learns of new ones before their process starts."""

    def __init__(self, host_root: Path) -> None:
        """:raises OSError: this node has no containerd state."""
        self._tasks = host_root / TASKS
        self._proc = host_root / "proc"
        self._logs = host_root / "var" / "log" / "containers"
        self._known: dict[str, Container] = {}
        self._foreign: set[str] = set()
        self._new: set[str] = set()
        self.inotify = _watch(self._tasks)
        self._new.update(os.listdir(self._tasks))

    @property
    def waiting(self) -> bool:
        """Whether a container is being made; ``update`` has to be called again soon then."""
        return bool(self._new)

    def update(self) -> list[Container]:
        """Take note of new containers; returns those whose first process has come into being since the last call."""
        self._new.update(_created(self.inotify))
        started = []
        for identifier in sorted(self._new):
            container = self.find(identifier)
            if container is not None and container.pid:
                started.append(container)
            elif (self._tasks / identifier).is_dir():
                continue
            self._new.discard(identifier)
        return started

    def find(self, identifier: str) -> Container | None:
        """The container with this id, when it is one of this node's."""
        container = self._known.get(identifier)
        if container is None:
            container = _read_bundle(self._tasks / identifier) or self._from_log_link(identifier)
            if container is None:
                return None
            if len(self._known) >= KEEP:
                del self._known[next(iter(self._known))]
            self._known[identifier] = container
        if not container.pid:
            self._find_process(container)
        return container

    def of_process(self, identifier: str) -> Container | None:
        """The container of a process that has run; unlike ``find``, an unknown one is never looked for again.

        A bundle is there before the container's first process, so what is not found now is a container of another node.
        """
        if identifier in self._foreign:
            return None
        container = self.find(identifier)
        if container is None:
            self._foreign.add(identifier)
        return container

    def _from_log_link(self, identifier: str) -> Container | None:
        """``/var/log/containers/<pod>_<namespace>_<container>-<id>.log``, see the kubelet's legacy log links."""
        for link in self._logs.glob(f"*-{identifier}.log"):
            pod, namespace, rest = link.name.split("_", 2)
            name = rest.removesuffix(f"-{identifier}.log")
            return Container(identifier, name, pod, namespace, image="", sandbox=False, host_network=False)
        return None

    def _find_process(self, container: Container) -> None:
        file = self._tasks / container.id / "init.pid"
        try:
            pid = int(file.read_text())
            started = file.stat().st_mtime_ns
            container.mount_namespace = os.stat(self._proc / str(pid) / "ns" / "mnt").st_ino
        except (OSError, ValueError):
            return
        container.pid, container.started_ns = pid, started


def _read_bundle(bundle: Path) -> Container | None:
    try:
        config = json.loads((bundle / "config.json").read_bytes())
    except (OSError, ValueError):  # not written yet, or removed
        return None
    notes = {
        key.removeprefix(ANNOTATION): value
        for key, value in config.get("annotations", {}).items()
        if key.startswith(ANNOTATION)
    }
    namespaces = {one["type"]: one.get("path", "") for one in config["linux"]["namespaces"]}
    return Container(
        id=bundle.name,
        name=notes.get("container-name", ""),
        pod=notes.get("sandbox-name", ""),
        namespace=notes.get("sandbox-namespace", ""),
        image=notes.get("image-name", ""),
        sandbox=notes.get("container-type") == "sandbox",
        host_network="network" not in namespaces,
    )


def _watch(directory: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(IN_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0 or libc.inotify_add_watch(descriptor, os.fsencode(directory), IN_CREATE) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(directory))
    return descriptor


def _created(descriptor: int) -> list[str]:
    names: list[str] = []
    while True:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return names
        offset = 0
        while offset < len(data):
            length = _NOTICE.unpack_from(data, offset)[3]
            offset += _NOTICE.size
            names.append(data[offset : offset + length].rstrip(b"\0").decode())
            offset += length

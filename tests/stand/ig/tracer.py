# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The run itself: audit records in, events out."""

import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import netlink, output, records
from .containers import Container, Containers
from .event import Names, Parent, event
from .processes import Processes
from .records import Record
from .selection import Selection

# Records taken before containers and processes are looked at again: some 5 ms of work.
BATCH = 200
# How soon to look again at a container that is being made; its process starts tens of milliseconds after its bundle
# appears.
CONTAINER_POLL_MS = 3
IDLE_POLL_MS = 1000


class Tracer:
    """Reads this kernel's seccomp records and shows those of this node's containers."""

    def __init__(
        self, host_root: Path, names: Names, selection: Selection, show: Callable[[dict[str, Any]], None], buffer: int
    ) -> None:
        """Subscribes to the kernel's records; must run in the initial network namespace.

        :param buffer: receive buffer for audit records, bytes.
        :raises OSError: no containerd on this node, or the kernel's groups are not to be had.
        """
        self._names = names
        self._selection = selection
        self._show = show
        self._containers = Containers(host_root)
        self._processes = Processes(host_root / "proc")
        self._connector = netlink.open_processes()
        self._audit = netlink.open_audit(buffer)
        self._last_serial: int | None = None
        self._overrun = False
        self._lost = 0

    def wait(self, wake: socket.socket, milliseconds: float) -> None:
        """Wait until there is something to read, at most so long; ``wake`` ends the wait too."""
        poll = select.poll()
        for source in (self._audit.fileno(), self._connector.fileno(), self._containers.inotify, wake.fileno()):
            poll.register(source, select.POLLIN)
        poll.poll(min(milliseconds, CONTAINER_POLL_MS if self._containers.waiting else IDLE_POLL_MS))

    def step(self) -> None:
        """Take what is there. Process events are read after the records: those of before a record are there by then."""
        taken = self._take_records()
        for container in self._containers.update():
            self._processes.assign(container.pid, container.id)
        try:
            self._processes.take(netlink.process_messages(self._connector))
        except netlink.Overrun:
            output.log("debug", "process events lost")
        for record, lost_before in taken:
            self._lost += lost_before
            self._handle(record)

    def _take_records(self) -> list[tuple[Record, int]]:
        """Seccomp records, each with the number of records that were dropped before it."""
        taken: list[tuple[Record, int]] = []
        lost = 0
        try:
            for kind, text in netlink.audit_messages(self._audit, BATCH):
                lost += self._gap(text)
                record = records.parse(text) if kind == netlink.AUDIT_SECCOMP else None
                if record is not None:
                    taken.append((record, lost))
                    lost = 0
        except netlink.Overrun:
            self._overrun = True
        self._lost += lost
        return taken

    def _gap(self, text: str) -> int:
        """Number of records missing before this one, by the kernel's serial numbers; 0 unless the buffer overran."""
        serial = records.serial(text)
        if serial is None:
            return 0
        last, self._last_serial = self._last_serial, serial
        if not self._overrun:
            return 0
        self._overrun = False
        return max(1, serial - last - 1) if last is not None else 1

    def _handle(self, record: Record) -> None:
        identifier = self._processes.container(record.pid)
        container = self._containers.of_process(identifier) if identifier else None
        if (identifier and container is None) or not self._selection.accepts(record, container):
            return
        if self._lost:
            output.log("warning", f"reading event: lost {self._lost} samples")
            self._lost = 0
            return
        self._show(event(record, container, self._parent(record.pid, container), self._names))

    def _parent(self, pid: int, container: Container | None) -> Parent:
        if container is not None and pid == container.pid:
            return Parent(0, "")  # the shim, outside of the container
        parent = self._processes.parent(pid)
        return Parent(parent, self._processes.comm(parent) if parent else "")

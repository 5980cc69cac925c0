# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Two multicast groups of the kernel: audit records, and fork, exec and exit of processes."""

import errno
import os
import socket
import struct
from collections.abc import Iterator

NETLINK_AUDIT, NETLINK_CONNECTOR = 9, 11
AUDIT_GROUP_READLOG = 1  # bit of AUDIT_NLGRP_READLOG (linux/audit.h)
CONNECTOR_GROUP_PROC = 1  # bit of CN_IDX_PROC (linux/connector.h)
AUDIT_SECCOMP = 1326
SO_RCVBUFFORCE = 33
EVENT_FORK, EVENT_EXEC, EVENT_EXIT = 0x1, 0x2, 0x80000000

# A skb of one audit record takes about 1 KiB: room for 60,000 records while the reader is elsewhere.
AUDIT_BUFFER = 64 << 20
PROCESS_BUFFER = 32 << 20

_HEADER = struct.Struct("=IHHII")
# struct cn_msg (20 bytes), then struct proc_event: what, cpu, timestamp_ns, and the first four ids of its union
_PROCESS_EVENT = struct.Struct("=20x I 4x 8x II")
_CHILD = struct.Struct("=II")


class Overrun(Exception):
    """The kernel dropped messages because the buffer was full."""


def open_audit(buffer: int = AUDIT_BUFFER) -> socket.socket:
    """A socket that receives the kernel's audit records. Only in the initial network namespace are there any.

    :param buffer: receive buffer, bytes.
    :raises PermissionError: without CAP_AUDIT_READ.
    """
    return _open(socket.SOCK_RAW, NETLINK_AUDIT, AUDIT_GROUP_READLOG, buffer)


def open_processes() -> socket.socket:
    """A socket that receives process events, while somebody keeps them switched on."""
    return _open(socket.SOCK_DGRAM, NETLINK_CONNECTOR, CONNECTOR_GROUP_PROC, PROCESS_BUFFER)


def _open(kind: int, protocol: int, group: int, buffer: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        opened.bind((0, group))
    except OSError:
        opened.close()
        raise
    return opened


def audit_messages(audit: socket.socket, limit: int) -> Iterator[tuple[int, str]]:
    """Type and text of the records that are there, at most ``limit``; does not wait.

    :raises Overrun: records were dropped before the next one.
    """
    for _ in range(limit):
        data = _receive(audit)
        if data is None:
            return
        kind = _HEADER.unpack_from(data)[1]
        # the length in a multicast audit message counts the payload only: take what came
        yield kind, data[_HEADER.size :].rstrip(b"\0\n").decode(errors="replace")


def process_messages(connector: socket.socket) -> Iterator[tuple[int, int, int]]:
    """Process events that are there: (EVENT_FORK, parent, child), (EVENT_EXEC, process, 0), (EVENT_EXIT, process, 0).
    Threads are left out.

    :raises Overrun: events were dropped.
    """
    while (data := _receive(connector)) is not None:
        if len(data) < _HEADER.size + _PROCESS_EVENT.size:
            continue
        what, first, second = _PROCESS_EVENT.unpack_from(data, _HEADER.size)
        if what == EVENT_FORK:
            thread, child = _CHILD.unpack_from(data, _HEADER.size + _PROCESS_EVENT.size)
            if thread == child:
                yield EVENT_FORK, second, child
        elif what in (EVENT_EXEC, EVENT_EXIT) and first == second:
            yield what, first, 0


def _receive(opened: socket.socket) -> bytes | None:
    try:
        return opened.recv(16384)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            raise Overrun(os.strerror(error.errno)) from error
        raise

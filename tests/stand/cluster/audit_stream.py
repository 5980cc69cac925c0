# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The kernel's own record of seccomp events, read by tests to check what others say about it.

It shares nothing with the ``ig`` stand-in and maps nothing to containers: a test's pod runs as a user of its own
(``runAsUser``), and the records name the user.
"""

import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from .shell import StandError

NETLINK_AUDIT = 9
AUDIT_NLGRP_READLOG = 1
AUDIT_SECCOMP = 1326
SO_RCVBUFFORCE = 33
BUFFER = 256 << 20  # about 250,000 records
QUIET_SECONDS = 0.3
HEADER = struct.Struct("=IH10x")


@dataclass(frozen=True)
class KernelRecord:
    """One record of type 1326; ``comm`` as the kernel wrote it, without quotes."""

    serial: int
    pid: int
    user: int
    comm: str
    syscall: int
    code: int


class AuditStream:
    """A context in which the kernel's seccomp records are kept. Needs root and the initial network namespace."""

    def __enter__(self) -> "AuditStream":
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.bind((0, 1 << (AUDIT_NLGRP_READLOG - 1)))
        self._socket.setblocking(False)
        self._records: list[KernelRecord] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def records(self, *, user: int, seconds: float = 20) -> list[KernelRecord]:
        """All records so far of the processes of one user, once the kernel has sent none for a moment.

        :param seconds: how long to wait for that moment.
        :raises StandError: the kernel dropped records, or it never becomes quiet.
        """
        end = time.monotonic() + seconds
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            if time.monotonic() > end:
                raise StandError(f"the kernel's audit records do not cease within {seconds:.0f} s")
            before = len(self._of(user))
            self._records.extend(self._received())
            if len(self._of(user)) > before:
                quiet_since = time.monotonic()
            time.sleep(0.02)
        return self._of(user)

    def _of(self, user: int) -> list[KernelRecord]:
        return [record for record in self._records if record.user == user]

    def _received(self) -> Iterator[KernelRecord]:
        while True:
            try:
                message = self._socket.recv(16384)
            except BlockingIOError:
                return
            except OSError as error:
                raise StandError(f"the kernel's audit records were not read fast enough: {error}") from error
            if HEADER.unpack_from(message)[1] == AUDIT_SECCOMP:
                yield _read(message[HEADER.size :].decode(errors="replace"))


def _read(text: str) -> KernelRecord:
    serial = re.search(r"^audit\([\d.]+:(\d+)\)", text)
    fields = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', text))
    if serial is None:
        raise StandError(f"not an audit record: {text[:100]!r}")
    return KernelRecord(
        serial=int(serial[1]),
        pid=int(fields["pid"]),
        user=int(fields["uid"]),
        comm=fields["comm"].strip('"'),
        syscall=int(fields["syscall"]),
        code=int(fields["code"], 16),
    )

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The Linux calls that ``try`` needs and that Python has no name for.

Numbers and layouts are those of ``linux/seccomp.h``, ``linux/prctl.h``, ``linux/sched.h`` and ``asm/unistd.h``; what
they do is described in seccomp_unotify(2), seccomp(2), prctl(2) and clone(2).
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
from typing import NamedTuple

from azext_seccomp.errors import Unsupported

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_FILES = 0x400

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_ACTION_AVAIL = 2
SECCOMP_RET_USER_NOTIF = 0x7FC00000
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1
SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1

_FIRST_WITH_CONTINUE = (5, 5)
LISTENER_LINK = "anon_inode:seccomp notify"

_NOTIF = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif with its struct seccomp_data
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_RECV = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
_SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
_SET_FLAGS = 0x40082104  # SECCOMP_IOCTL_NOTIF_SET_FLAGS
_NUMBERS = {
    "x86_64": {"clone": 56, "tgkill": 234, "seccomp": 317},
    "aarch64": {"clone": 220, "tgkill": 131, "seccomp": 277},
}

_NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}
# AUDIT_ARCH_* of linux/audit.h, by the names of azext_seccomp.profile.syscalls
_ARCHITECTURES = {0xC000003E: "amd64", 0x40000003: "i386", 0xC00000B7: "arm64", 0x40000028: "arm"}
_X32_BIT = 0x40000000  # __X32_SYSCALL_BIT

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Notification(NamedTuple):
    """One call that waits for an answer; ``thread`` is the caller's thread id in our pid namespace."""

    id: int
    thread: int
    number: int
    architecture: str
    args: tuple[int, ...]


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def native_architecture() -> str | None:
    """This machine's architecture by the name that AKS uses; None where the numbers above are not known."""
    return _NATIVE.get(platform.machine())


def can_notify() -> bool:
    """Whether this kernel knows user notification, with the answer that lets a call through (Linux 5.5)."""
    action = ctypes.c_uint32(SECCOMP_RET_USER_NOTIF)
    if libc.syscall(_number("seccomp"), SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action)) != 0:
        return False
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    return release is not None and (int(release[1]), int(release[2])) >= _FIRST_WITH_CONTINUE


def refusal(error: OSError) -> Unsupported:
    """The error for a call that ``try`` cannot do without, and that was refused."""
    return Unsupported(
        "A command cannot be supervised here.",
        why=f"The kernel, or a filter around this process, answers: {error.strerror}.",
        fix="Inside a container its own seccomp profile may refuse it: run outside of it, or in a container that is "
        "Unconfined.",
    )


def prctl(option: int, value: "int | ctypes.Array[ctypes.c_char]") -> None:
    """prctl(2) with one argument.

    :raises OSError: as the kernel answers.
    """
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise _error()


def fork_sharing_files() -> int:
    """fork(2) in which parent and child go on sharing ONE table of file descriptors, until the child's exec.

    What the child opens, the parent has too: so the listener of a filter that the child installs reaches the parent
    with no call of the child's, which the filter might hold back. For a process with a single thread only: neither
    Python's nor libc's fork handlers run.

    :returns: 0 in the child, the child's pid in the parent.
    :raises OSError: as the kernel answers.
    """
    pid: int = libc.syscall(_number("clone"), CLONE_FILES | 17, 0, 0, 0, 0)  # 17: SIGCHLD
    if pid < 0:
        raise _error()
    return pid


def signal_thread(process: int, thread: int, signal_number: int) -> None:
    """Send a signal to one thread, which takes it before it runs any further instruction of its program.

    :raises OSError: as the kernel answers; ProcessLookupError when it has ended.
    """
    if libc.syscall(_number("tgkill"), process, thread, signal_number) != 0:
        raise _error()


class Installer:
    """Installs one filter program on the calling thread.

    All memory is made beforehand: ``install`` is two system calls at the most.
    """

    def __init__(self, program: bytes) -> None:
        """
        :param program: cBPF instructions (``struct sock_filter``, 8 bytes each).
        """
        self._program = _Program(len(program) // 8, program)
        self._reference = ctypes.byref(self._program)
        self._seccomp = _number("seccomp")
        self._flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW

    def install(self) -> int:
        """Install and return 0, or an errno. The listener is open in the table of file descriptors afterwards.

        A kernel before 5.19 does not know WAIT_KILLABLE_RECV (a signal then may interrupt a call that is being looked
        at) and answers EINVAL; the second call does without.
        """
        patient = self._flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
        if libc.syscall(self._seccomp, SECCOMP_SET_MODE_FILTER, patient, self._reference) >= 0:
            return 0
        if ctypes.get_errno() != errno.EINVAL:
            return ctypes.get_errno()
        if libc.syscall(self._seccomp, SECCOMP_SET_MODE_FILTER, self._flags, self._reference) >= 0:
            return 0
        return ctypes.get_errno()


class Listener:
    """The supervising end of a filter with user notification."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = bytearray(_NOTIF.size)
        self._zeros = bytes(_NOTIF.size)
        with contextlib.suppress(OSError):  # Linux 6.6: caller and supervisor take turns on one processor, sooner
            fcntl.ioctl(fd, _SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)

    def receive(self) -> Notification | None:
        """The next waiting call; None when its caller has gone in the meantime (ENOENT)."""
        self._buffer[:] = self._zeros  # the kernel refuses anything else
        try:
            fcntl.ioctl(self.fd, _RECV, self._buffer, True)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        cookie, thread, _, number, audit_arch, _, *args = _NOTIF.unpack_from(self._buffer)
        return Notification(cookie, thread, number, _architecture(audit_arch, number), tuple(args))

    def let_through(self, notification: Notification) -> None:
        """Have the kernel run the call as if there were no filter."""
        self._send(_RESPONSE.pack(notification.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE))

    def refuse(self, notification: Notification, error_number: int) -> None:
        """Have the call return ``error_number`` without being run."""
        self._send(_RESPONSE.pack(notification.id, 0, -error_number, 0))

    def _send(self, response: bytes) -> None:
        while True:
            try:
                fcntl.ioctl(self.fd, _SEND, response)
            except InterruptedError:  # a signal, SIGCHLD for instance, while the kernel waited for a lock of the filter
                continue
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINPROGRESS):  # the caller was killed while it waited
                    raise
            return


def find_listener() -> int | None:
    """The descriptor of a seccomp listener among this process's own, or None."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == LISTENER_LINK:
                return int(name)
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return None


def _architecture(audit_arch: int, number: int) -> str:
    name = _ARCHITECTURES.get(audit_arch, "unknown")
    return "x32" if name == "amd64" and number >= _X32_BIT else name


def _number(name: str) -> int:
    return _NUMBERS[platform.machine()][name]


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))

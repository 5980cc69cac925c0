# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Starting a command under a filter whose listener stays with us, in a way that the filter itself cannot hinder.

The usual hand-over sends the listener over a socket: the sender is under the filter by then, so a profile that denies
sendmsg stops the two for ever. Here the child shares our table of file descriptors until its exec, so the listener is
simply there; between installing the filter and the exec the child makes no system call of its own.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import secrets
import signal
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.local import kernel, processes

# The name that the child bears between fork and exec: one that no program can give itself to have calls passed over.
MARK = f"try-{secrets.token_hex(5)}"

_POLL_SECONDS = 0.0005
_INSTALL, _EXEC = 1, 2
# What Python and the supervisor have set to their own liking; the command gets them as the shell would give them.
_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Outcome(ctypes.Structure):
    """What the child tells through memory that both have mapped."""

    _fields_ = [("step", ctypes.c_int), ("error", ctypes.c_int), ("no_new_privileges", ctypes.c_int)]


class Started(NamedTuple):
    """A command that runs under its filter."""

    pid: int
    listener: kernel.Listener
    outcome: _Outcome

    def no_new_privileges(self) -> bool:
        """Whether set-user-ID programs stay without effect, because this process lacks CAP_SYS_ADMIN."""
        return bool(self.outcome.no_new_privileges)

    def exec_error(self) -> int:
        """The errno of an exec that failed; 0 when it did not, or has not yet."""
        return int(self.outcome.error) if self.outcome.step == _EXEC else 0


def start(
    argv: Sequence[bytes], environment: Sequence[bytes], program: bytes, ignored: frozenset[int] = frozenset()
) -> Started:
    """Run ``argv`` as a child of this process, under ``program``.

    :param argv: the command; its first word is the path of a file.
    :param environment: the command's whole environment, ``NAME=value`` each.
    :param program: cBPF instructions with at least one user notification among their results.
    :param ignored: signals that the command ignores from its start, such as SIGHUP under nohup.
    :raises InvalidInput: the file cannot be executed.
    :raises Unsupported: the kernel, or a filter around this process, refuses the filter.
    """
    shared = mmap.mmap(-1, ctypes.sizeof(_Outcome))
    outcome = _Outcome.from_buffer(shared)
    child = _Child(argv, environment, program, ignored, outcome)
    pid = kernel.fork_sharing_files()
    if pid == 0:
        child.become_command()
    fd = _await_listener(pid)
    if fd is None:
        raise _failure(os.fsdecode(argv[0]), outcome)
    os.set_inheritable(fd, False)
    return Started(pid, kernel.Listener(fd), outcome)


def exec_failure(path: str, error_number: int) -> InvalidInput:
    """Why a command could not be started."""
    return InvalidInput(
        f"The command '{path}' could not be started.",
        why=os.strerror(error_number) + ".",
        fix="Give a program of this machine's architecture that you may execute; shell syntax needs \"sh -c '...'\".",
    )


class _Child:
    """Everything the child needs, made before the fork."""

    def __init__(
        self,
        argv: Sequence[bytes],
        environment: Sequence[bytes],
        program: bytes,
        ignored: frozenset[int],
        outcome: _Outcome,
    ) -> None:
        self._parent = os.getpid()
        self._ignored = ignored
        self._outcome = outcome
        self._installer = kernel.Installer(program)
        self._path = argv[0]
        self._argv = _strings(argv)
        self._environment = _strings(environment)
        self._mark = ctypes.create_string_buffer(MARK.encode())

    def become_command(self) -> NoReturn:
        """Runs in the child and does not come back."""
        with contextlib.suppress(BaseException):
            if not processes.die_with_parent(signal.SIGKILL, self._parent):
                kernel.libc._exit(1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN if number in self._ignored else signal.SIG_DFL)
            kernel.prctl(kernel.PR_SET_NAME, self._mark)
            if not self._install():
                kernel.libc._exit(1)
            kernel.libc.execve(self._path, self._argv, self._environment)
            self._outcome.error, self._outcome.step = ctypes.get_errno(), _EXEC
        while True:
            kernel.libc._exit(127)

    def _install(self) -> bool:
        """With CAP_SYS_ADMIN no_new_privs is not needed, and set-user-ID programs work as they do in a container."""
        error = self._installer.install()
        if error == errno.EACCES:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            self._outcome.no_new_privileges = 1
            error = self._installer.install()
        if error:
            self._outcome.error, self._outcome.step = error, _INSTALL
        return error == 0


def _strings(texts: Sequence[bytes]) -> "ctypes.Array[ctypes.c_char_p]":
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


def _await_listener(pid: int) -> int | None:
    """The listener of the filter that the child installs; None when it ends without one."""
    while True:
        ended = _has_ended(pid)  # asked first: a short command may be over before the listener is found
        fd = kernel.find_listener()
        if fd is not None or ended:
            return fd
        time.sleep(_POLL_SECONDS)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _failure(path: str, outcome: _Outcome) -> InvalidInput | Unsupported:
    if outcome.step == _EXEC:
        return exec_failure(path, outcome.error)
    reason = os.strerror(outcome.error) if outcome.error else "the process ended before it had its filter"
    if outcome.error == errno.EBUSY:
        reason = "a filter around this process has a listener already, and the kernel allows only one"
    return Unsupported(
        "The profile could not be installed here.",
        why=f"The kernel answers: {reason}.",
        fix="Inside a container its own seccomp profile may refuse it: run outside of it, or in a container that is "
        "Unconfined.",
    )

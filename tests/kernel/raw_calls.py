# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Syscalls made by number with raw arguments, in a child process under a seccomp program, and what came of them."""

import ctypes
import mmap
import os
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.kernel.runc_filter import Instruction

SECCOMP_SYSCALL = 317
_SET_MODE_FILTER = 1
_PR_SET_NO_NEW_PRIVS = 38

# long call(long number, const uint64_t arguments[6])
_AMD64 = bytes.fromhex("4889f8 4889f1 488b39 488b7108 488b5110 4c8b5118 4c8b4120 4c8b4928 0f05 c3")
_I386 = bytes.fromhex("53 55 4889f8 8b1e 8b4e08 8b5610 8b7e20 8b6e28 8b7618 cd80 4898 5d 5b c3")

_UNMADE, _TRAPPED = -(1 << 40), -(1 << 41)
_RESULT = struct.Struct("=q")
#: A child lives for milliseconds; one that hangs must not hold up the suite.
_CHILD_SECONDS = 10

#: What CPython and the C library may need between two calls.
SURVIVAL = (
    "brk",
    "exit_group",
    "futex",
    "madvise",
    "mmap",
    "mremap",
    "munmap",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One syscall.

    :param entry: amd64 (the instruction ``syscall``, also for x32) or i386 (``int 0x80``).
    """

    entry: str
    number: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: killed, trapped, or a return value (``-errno`` for errors)."""

    kind: str
    value: int = 0


def make(program: Sequence[Instruction], calls: Sequence[Call]) -> list[Outcome]:
    """Make all ``calls``, in children under ``program``; one that is killed is followed by another child."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(calls):
        outcomes += _in_child(program, calls[len(outcomes) :])
    return outcomes


def _in_child(program: Sequence[Instruction], calls: Sequence[Call]) -> list[Outcome]:
    """The outcomes of the first calls, up to one that killed the child."""
    with mmap.mmap(-1, _RESULT.size * len(calls)) as results:
        for index in range(len(calls)):
            _RESULT.pack_into(results, _RESULT.size * index, _UNMADE)
        child = os.fork()
        if child == 0:
            _run(program, calls, results)
        status = os.waitpid(child, 0)[1]
        values = [value for (value,) in _RESULT.iter_unpack(results[:])]
    made = values.index(_UNMADE) if _UNMADE in values else len(values)
    outcomes = [Outcome("trapped") if value == _TRAPPED else Outcome("returned", value) for value in values[:made]]
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGSYS:
            raise RuntimeError(f"the child ended by signal {os.WTERMSIG(status)} before call {made} of {calls}")
        return [*outcomes, Outcome("killed")]
    if os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the child could not install the program: exit {os.WEXITSTATUS(status)}")
    return outcomes


def _run(program: Sequence[Instruction], calls: Sequence[Call], results: mmap.mmap) -> None:
    """In the child: all that allocates comes before the program is installed. Does not return."""
    trapped: list[int] = []
    signal.signal(signal.SIGSYS, lambda *_: trapped.append(1))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_CHILD_SECONDS)
    pages = {"amd64": _page(_AMD64), "i386": _page(_I386)}
    entries = {entry: _function(page) for entry, page in pages.items()}
    prepared = [(entries[call.entry], call.number, (ctypes.c_uint64 * 6)(*call.args)) for call in calls]
    if not _install(program):
        os._exit(1)
    for index, (entry, number, args) in enumerate(prepared):
        value = entry(number, args)
        _RESULT.pack_into(results, _RESULT.size * index, _TRAPPED if trapped else value)
        trapped.clear()
    os._exit(0)


def _page(code: bytes) -> mmap.mmap:
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return page


def _function(page: mmap.mmap) -> "ctypes._CFuncPtr":
    """The code at the start of ``page``, which has to outlive the function."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.POINTER(ctypes.c_uint64 * 6))(address)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _install(program: Sequence[Instruction]) -> bool:
    code = b"".join(struct.pack("=HBBI", step.code, step.jt, step.jf, step.k) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    argument = _Program(len(program), ctypes.addressof(buffer))
    return bool(libc.syscall(SECCOMP_SYSCALL, _SET_MODE_FILTER, 0, ctypes.byref(argument)) == 0)

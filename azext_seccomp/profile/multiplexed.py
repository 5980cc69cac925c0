# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Syscalls that 32-bit x86 programs reach through another one: socketcall(2) and ipc(2).

For them libseccomp turns a rule into two: one for the syscall itself, one for the multiplexer with the number of the
call as its first argument (``src/syscalls.c``, ``abi_rule_add``). The other conditions stay as they are although the
arguments have moved: what such a rule does to the multiplexer is not what its author meant, but it is what happens.
"""

from collections.abc import Iterator, Sequence

from azext_seccomp.profile.model import Arg, Op
from azext_seccomp.profile.syscalls import Architecture, numbers

#: Numbers of the calls: ``include/uapi/linux/net.h`` and ``include/uapi/linux/ipc.h`` of the kernel.
_SOCKETCALL = {
    name: number
    for number, name in enumerate(
        (
            "socket",
            "bind",
            "connect",
            "listen",
            "accept",
            "getsockname",
            "getpeername",
            "socketpair",
            "send",
            "recv",
            "sendto",
            "recvfrom",
            "shutdown",
            "setsockopt",
            "getsockopt",
            "sendmsg",
            "recvmsg",
            "accept4",
            "recvmmsg",
            "sendmmsg",
        ),
        start=1,
    )
}
_IPC = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}


def multiplexed(arch: str, name: str) -> bool:
    """Whether programs of ``arch`` reach ``name`` through another syscall as well."""
    return arch == "i386" and (name in _SOCKETCALL or name in _IPC)


def direct_and_multiplexed(
    arch: Architecture, name: str, conditions: Sequence[Arg]
) -> Iterator[tuple[int | str, Sequence[Arg]]]:
    """The syscalls for which libseccomp adds a rule for ``name``, and their conditions.

    A syscall that ``arch`` does not have keeps its name: libseccomp stores rules for it and refuses contradictions
    among them.
    """
    table = numbers(arch.name)
    direct: int | str | None = table.get(name)
    if multiplexed(arch.name, name):
        through, call = ("socketcall", _SOCKETCALL[name]) if name in _SOCKETCALL else ("ipc", _IPC[name])
        moved = [condition for condition in conditions if condition.index != 0]
        yield table[through], (Arg(0, call, Op.EQ), *moved)
        direct = name if direct is None else direct
    elif arch.name != "i386":
        direct = name if direct is None else direct
    if direct is not None:
        yield direct, conditions

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The BPF program of a profile as runc makes it: libseccomp's, behind runc's stub that answers ENOSYS to new syscalls.

This follows runc ``libcontainer/seccomp/seccomp_linux.go`` and ``patchbpf/enosys_linux.go`` and uses the libseccomp
of this machine; nothing of the engine under test takes part, except the plain data of a profile.
"""

import os
import struct
from collections import Counter
from dataclasses import dataclass

import pyseccomp

from azext_seccomp.profile.model import Action, Arg, Op, Profile

ENOSYS_ACTION = pyseccomp.ERRNO(38)
X86_64 = 0xC000003E
I386 = 0x40000003
_X32_BIT = 0x40000000

_TOKENS = {
    "SCMP_ARCH_X86_64": pyseccomp.Arch.X86_64,
    "SCMP_ARCH_X86": pyseccomp.Arch.X86,
    "SCMP_ARCH_X32": pyseccomp.Arch.X32,
}
_OPS = {
    Op.NE: pyseccomp.NE,
    Op.LT: pyseccomp.LT,
    Op.LE: pyseccomp.LE,
    Op.EQ: pyseccomp.EQ,
    Op.GE: pyseccomp.GE,
    Op.GT: pyseccomp.GT,
    Op.MASKED_EQ: pyseccomp.MASKED_EQ,
}
_PLAIN = {
    Action.KILL: pyseccomp.KILL_THREAD,
    Action.KILL_THREAD: pyseccomp.KILL_THREAD,
    Action.KILL_PROCESS: pyseccomp.KILL_PROCESS,
    Action.TRAP: pyseccomp.TRAP,
    Action.LOG: pyseccomp.LOG,
    Action.ALLOW: pyseccomp.ALLOW,
    Action.NOTIFY: pyseccomp.NOTIFY,
}
#: Rules from which runc asks for the binary tree.
_MANY_RULES = 32


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of classic BPF (``struct sock_filter``)."""

    code: int
    jt: int
    jf: int
    k: int


def action_value(action: Action, errno_ret: int | None) -> int:
    """What the filter returns to the kernel for an action of a profile."""
    number = 1 if errno_ret is None else errno_ret
    if action is Action.ERRNO:
        return pyseccomp.ERRNO(number)
    return pyseccomp.TRACE(number) if action is Action.TRACE else _PLAIN[action]


def program(profile: Profile) -> list[Instruction]:
    """The program for ``profile`` on an amd64 node.

    :raises OSError: libseccomp refuses a rule, and with it runc the container.
    """
    default = action_value(profile.default_action, profile.default_errno_ret)
    built = pyseccomp.SyscallFilter(default)
    for token in profile.architectures:
        if token != "SCMP_ARCH_X86_64":
            built.add_arch(_TOKENS[token])
    calls = [(name, rule) for rule in profile.rules for name in rule.names]
    if len(calls) > _MANY_RULES:
        built.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, 2)
    for name, rule in calls:
        action = action_value(rule.action, rule.errno_ret)
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        if action == default or number == -1:
            continue
        for conditions in _as_runc_groups(rule.args):
            built.add_rule(action, number, *(_condition(arg) for arg in conditions))
    return [*_stub(profile), *_exported(built)]


def _as_runc_groups(args: tuple[Arg, ...]) -> list[tuple[Arg, ...]]:
    counts = Counter(arg.index for arg in args)
    return [(arg,) for arg in args] if any(count > 1 for count in counts.values()) else [args]


def _condition(arg: Arg) -> pyseccomp.Arg:
    return pyseccomp.Arg(arg.index, _OPS[arg.op], arg.value, arg.value_two)


def _exported(built: pyseccomp.SyscallFilter) -> list[Instruction]:
    descriptor = os.memfd_create("bpf")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as writer:
            built.export_bpf(writer)
        data = os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
    return [Instruction(*fields) for fields in struct.iter_unpack("=HBBI", data)]


def _stub(profile: Profile) -> list[Instruction]:
    """ENOSYS for every syscall above the greatest that the profile names, for each architecture."""
    if profile.default_action in (Action.ALLOW, Action.LOG, Action.TRACE):
        return []
    names = {name for rule in profile.rules for name in rule.names}
    newest = {
        token: max((pyseccomp.resolve_syscall(arch, name) for name in names), default=0)
        for token, arch in _TOKENS.items()
        if token in profile.architectures or token == "SCMP_ARCH_X86_64"
    }
    stub: list[Instruction] = []
    for audit_arch, tokens in ((X86_64, ("SCMP_ARCH_X86_64", "SCMP_ARCH_X32")), (I386, ("SCMP_ARCH_X86",))):
        limits = {token: newest[token] for token in tokens if newest.get(token, 0) > 0}
        if limits:
            stub += _section(audit_arch, limits)
    return stub


def _section(audit_arch: int, limits: dict[str, int]) -> list[Instruction]:
    """If the architecture is right and the number above the limit, return ENOSYS; else go on after the section."""
    load_number, load_arch = Instruction(0x20, 0, 0, 0), Instruction(0x20, 0, 0, 4)
    enosys = Instruction(0x06, 0, 0, ENOSYS_ACTION)
    if audit_arch == I386:
        checks = [Instruction(0x25, 0, 1, limits["SCMP_ARCH_X86"]), enosys]
    else:
        native = _above(limits.get("SCMP_ARCH_X86_64"), enosys)
        x32 = _above(limits.get("SCMP_ARCH_X32"), enosys)
        # jset x32 bit: to the x32 check; the native check ends by jumping over it
        checks = [
            Instruction(0x45, len(native) + 1, 0, _X32_BIT),
            *native,
            Instruction(0x05, 0, 0, len(x32)),
            *x32,
        ]
    body = [load_number, *checks]
    return [load_arch, Instruction(0x15, 0, len(body), audit_arch), *body]


def _above(limit: int | None, enosys: Instruction) -> list[Instruction]:
    return [] if limit is None else [Instruction(0x25, 0, 1, limit), enosys]

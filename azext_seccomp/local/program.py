# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A profile as the filter program that the kernel runs, built by libseccomp in the way runc does it.

What runc does is read from ``libcontainer/seccomp/seccomp_linux.go``: unknown names are passed over, rules that equal
the default are passed over, several conditions on one argument become rules of their own.
"""

import errno
import os
import struct
import tempfile
from collections import Counter
from collections.abc import Iterable
from typing import Any

from azext_seccomp.errors import Unsupported
from azext_seccomp.local.kernel import SECCOMP_RET_USER_NOTIF
from azext_seccomp.profile.evaluate import filter_of, profile_names
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule
from azext_seccomp.profile.multiplexed import multiplexed
from azext_seccomp.profile.syscalls import numbers

try:
    import pyseccomp
except RuntimeError as problem:  # its way to say that the shared library is missing
    raise Unsupported(
        "The library libseccomp is not installed on this machine.",
        why=str(problem),
        fix="Install it (Debian, Ubuntu: apt-get install libseccomp2; Azure Linux: tdnf install libseccomp).",
    ) from problem

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_NUMBER_OFFSET, _ARCH_OFFSET = 0, 4  # in struct seccomp_data
_AUDIT_ARCH_I386 = 0x40000003  # include/uapi/linux/audit.h
_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter
_ACTION_MASK = 0xFFFF0000  # SECCOMP_RET_ACTION_FULL
_OPTIMIZE_TREE = 2
_MANY_RULES = 32  # from more on runc has libseccomp arrange the syscalls as a tree
# __NR_SCMP_ERROR; other negative numbers are libseccomp's own for calls that only other architectures have
_UNKNOWN = -1

_OPS = {
    Op.NE: pyseccomp.NE,
    Op.LT: pyseccomp.LT,
    Op.LE: pyseccomp.LE,
    Op.EQ: pyseccomp.EQ,
    Op.GE: pyseccomp.GE,
    Op.GT: pyseccomp.GT,
    Op.MASKED_EQ: pyseccomp.MASKED_EQ,
}
_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": pyseccomp.Arch.X86_64,
    "SCMP_ARCH_X86": pyseccomp.Arch.X86,
    "SCMP_ARCH_X32": pyseccomp.Arch.X32,
    "SCMP_ARCH_AARCH64": pyseccomp.Arch.AARCH64,
    "SCMP_ARCH_ARM": pyseccomp.Arch.ARM,
}
_PLAIN = {
    Action.KILL_PROCESS: pyseccomp.KILL_PROCESS,
    Action.KILL_THREAD: pyseccomp.KILL_THREAD,
    Action.KILL: pyseccomp.KILL_THREAD,
    Action.TRAP: pyseccomp.TRAP,
    Action.NOTIFY: pyseccomp.NOTIFY,
    Action.LOG: pyseccomp.LOG,
    Action.ALLOW: pyseccomp.ALLOW,
}

_PERMITTED = {pyseccomp.ALLOW, pyseccomp.LOG}


def compile_profile(profile: Profile) -> bytes:
    """The filter program of ``profile`` for this machine, with every denial shown to the supervisor, which decides.

    The program is built with the profile's own actions and only then are its results replaced, so the rule that decides
    is exactly the one that decides in a container.

    :returns: cBPF instructions, 8 bytes each.
    :raises Unsupported: this libseccomp or kernel cannot build the filter.
    """
    try:
        return _above_newest(profile) + _notifying(_export(_build(profile)))
    except OSError as error:
        raise Unsupported(
            "The profile cannot be turned into a filter on this machine.",
            why=f"libseccomp answers: {error.strerror}",
            fix="Check it with 'az aks seccomp profile validate'.",
        ) from error


def _above_newest(profile: Profile) -> bytes:
    """What runc puts before the filter for calls above the greatest number that the profile names (``patchbpf``), where
    the filter does not come to the same. The default action denies them too, but for calls of i386 that have a
    multiplexer: libseccomp adds their own numbers to the rules, and runc does not count those.
    """
    limit = filter_of(profile, "amd64").newest("i386")
    names = (name for name in profile_names(profile) if multiplexed("i386", name))
    if limit is None or not any(numbers("i386").get(name, 0) > limit for name in names):
        return b""
    instructions = (
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_JUMP_EQUAL, 0, 3, _AUDIT_ARCH_I386),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_JUMP_GREATER, 0, 1, limit),
        (_RETURN, 0, 0, SECCOMP_RET_USER_NOTIF),
    )
    return b"".join(_INSTRUCTION.pack(*fields) for fields in instructions)


def _build(profile: Profile) -> Any:
    default = _libseccomp_action(profile.default_action, profile.default_errno_ret)
    built = pyseccomp.SyscallFilter(default)
    if sum(len(rule.names) for rule in profile.rules) > _MANY_RULES:
        built.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _OPTIMIZE_TREE)
    for name in profile.architectures:
        architecture = _ARCHITECTURES.get(name)
        if architecture is not None and not built.exist_arch(architecture):  # the machine's own is there from the start
            built.add_arch(architecture)
    for rule in profile.rules:
        action = _libseccomp_action(rule.action, rule.errno_ret)
        if action == default:
            continue
        for number in _known_numbers(rule.names):
            for conditions in _condition_groups(rule):
                _add(built, action, number, conditions)
    return built


def _add(built: Any, action: int, number: int, conditions: Iterable[Any]) -> None:
    try:
        built.add_rule(action, number, *conditions)
    except OSError as error:
        if error.errno != errno.EEXIST:  # the same rule a second time
            raise


def _known_numbers(names: Iterable[str]) -> Iterable[int]:
    for name in names:
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        if number != _UNKNOWN:
            yield number


def _condition_groups(rule: Rule) -> list[list[Any]]:
    conditions = [_condition(arg) for arg in rule.args]
    if any(count > 1 for count in Counter(arg.index for arg in rule.args).values()):
        return [[condition] for condition in conditions]
    return [conditions]


def _condition(arg: Arg) -> Any:
    return pyseccomp.Arg(arg.index, _OPS[arg.op], arg.value, arg.value_two)


def _libseccomp_action(action: Action, errno_ret: int | None) -> int:
    number = errno.EPERM if errno_ret is None else errno_ret
    if action is Action.ERRNO:
        return int(pyseccomp.ERRNO(number))
    if action is Action.TRACE:
        return int(pyseccomp.TRACE(number))
    return int(_PLAIN[action])


def _export(built: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        built.export_bpf(file)
        file.seek(0, os.SEEK_SET)
        return file.read()


def _notifying(program: bytes) -> bytes:
    instructions = []
    for code, jump_true, jump_false, value in _INSTRUCTION.iter_unpack(program):
        if code == _RETURN and value & _ACTION_MASK not in _PERMITTED:
            value = SECCOMP_RET_USER_NOTIF
        instructions.append(_INSTRUCTION.pack(code, jump_true, jump_false, value))
    return b"".join(instructions)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The same profile for another purpose: to watch what it would deny, to deny and tell, or to deny."""

import errno
from dataclasses import dataclass, replace

from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.remap import Act, Change, remap

LOG_FLAG = "SECCOMP_FILTER_FLAG_LOG"
SPEC_ALLOW_FLAG = "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
#: The kernel refuses it for filters without NOTIFY.
_NOTIFY_FLAG = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
#: What runc sets when a profile has no flags (``libcontainer/specconv/spec_linux.go``), and the flag that logs denials.
_CANARY_FLAGS = (LOG_FLAG, SPEC_ALLOW_FLAG)

_FOR_32_BIT = frozenset({"SCMP_ARCH_X86", "SCMP_ARCH_ARM"})
PASSING = frozenset({Action.ALLOW, Action.LOG})


@dataclass(frozen=True, slots=True)
class Variant:
    """A derived profile, and what an operator has to know about it: whole sentences."""

    profile: Profile
    notes: tuple[str, ...] = ()


def to_audit(profile: Profile) -> Variant:
    """``profile`` with everything that denies turned into LOG, so that nothing breaks and every denial is recorded.

    Rules that answer ENOSYS stay: programs fall back on that answer by design (glibc's clone3), and letting the call
    through would change what they do. Conditions on arguments stay too. A default action that denies becomes LOG
    whatever its errno. Programs of an architecture that is not listed are killed as before: with its architecture
    listed, what they may not do at all would be let through by the rules, and not logged.
    """
    notes = []
    if not PASSING.issuperset({profile.default_action, *(rule.action for rule in profile.rules)}):
        notes.append(
            "The audit profile allows every call that the profile denies; the workload runs less confined under it."
        )
        if not _FOR_32_BIT.intersection(profile.architectures):
            notes.append(
                "32-bit programs are killed under it as under the profile, which lists no architecture of theirs."
            )
    if profile.default_action not in (*PASSING, Action.TRACE):
        notes.append(
            "Syscalls newer than all that the profile names are let through; enforced, runc answers ENOSYS to them."
        )
    audit, inexact = remap(profile, Change(_audited, _default_audited))
    if any(rule.action is Action.ERRNO for rule in audit.rules):
        notes.append("Rules that answer ENOSYS are kept: what they refuse is not logged.")
    audit = replace(audit, flags=tuple(flag for flag in profile.flags if flag not in (LOG_FLAG, _NOTIFY_FLAG)))
    if profile.listener_path is not None:
        audit = replace(audit, listener_path=None, listener_metadata=None)
        notes.append("The listener of NOTIFY rules is left out: those calls are logged.")
    return Variant(audit, (*notes, *inexact))


def to_canary(profile: Profile) -> Variant:
    """``profile`` with its actions unchanged, and the kernel told to log what it denies (SECCOMP_FILTER_FLAG_LOG)."""
    if LOG_FLAG in profile.flags:
        return Variant(profile, ("The profile logs what it denies already.",))
    flags = (*profile.flags, LOG_FLAG) if profile.flags else _CANARY_FLAGS
    notes = (
        "The canary profile denies as before and logs it; it needs runc 1.2 or later, older ones refuse the container.",
        "Answers of ENOSYS are logged too, for instance each clone3 of glibc.",
    )
    return Variant(replace(profile, flags=flags), notes)


def to_enforce(profile: Profile, action: Action = Action.ERRNO, errno_ret: int | None = None) -> Variant:
    """An audit or canary profile as one that denies: LOG becomes ``action``, the log flag goes.

    :param errno_ret: for ERRNO and TRACE; None is runc's default, EPERM.
    """
    logs = Action.LOG in {profile.default_action, *(rule.action for rule in profile.rules)}
    canary = LOG_FLAG in profile.flags

    def enforced(act: Act) -> Act:
        return (action, errno_ret) if act[0] is Action.LOG else act

    enforcing, inexact = remap(profile, Change(enforced, enforced))
    flags = () if profile.flags == _CANARY_FLAGS else tuple(flag for flag in profile.flags if flag != LOG_FLAG)
    notes = []
    if logs:
        notes.append(
            f"LOG became {action.value} everywhere: an audit profile does not tell which action each call had before."
        )
    if not logs and not canary:
        notes.append("The profile logs nothing; it is unchanged.")
    return Variant(replace(enforcing, flags=flags), (*notes, *inexact))


def _audited(act: Act) -> Act:
    action, errno_ret = act
    if action in PASSING or (action is Action.ERRNO and errno_ret == errno.ENOSYS):
        return act
    return Action.LOG, None


def _default_audited(act: Act) -> Act:
    return act if act[0] in PASSING else (Action.LOG, None)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A seccomp profile as the OCI runtime-spec has it (``config-linux.md``, section Seccomp): plain immutable data."""

from dataclasses import dataclass, replace
from enum import Enum


class Action(str, Enum):
    """What the kernel does with a call (runtime-spec ``LinuxSeccompAction``)."""

    KILL_PROCESS = "SCMP_ACT_KILL_PROCESS"
    KILL_THREAD = "SCMP_ACT_KILL_THREAD"
    KILL = "SCMP_ACT_KILL"  # an alias of KILL_THREAD in runc and libseccomp
    TRAP = "SCMP_ACT_TRAP"
    ERRNO = "SCMP_ACT_ERRNO"
    TRACE = "SCMP_ACT_TRACE"
    NOTIFY = "SCMP_ACT_NOTIFY"
    LOG = "SCMP_ACT_LOG"
    ALLOW = "SCMP_ACT_ALLOW"


class Op(str, Enum):
    """How an argument is compared (runtime-spec ``LinuxSeccompOperator``)."""

    NE = "SCMP_CMP_NE"
    LT = "SCMP_CMP_LT"
    LE = "SCMP_CMP_LE"
    EQ = "SCMP_CMP_EQ"
    GE = "SCMP_CMP_GE"
    GT = "SCMP_CMP_GT"
    MASKED_EQ = "SCMP_CMP_MASKED_EQ"


@dataclass(frozen=True, slots=True)
class Arg:
    """One condition on an argument: ``index`` 0 to 5, values are unsigned 64 bit.

    For MASKED_EQ ``value`` is the mask and ``value_two`` the datum: true when ``argument & value == value_two``.
    """

    index: int
    value: int
    op: Op
    value_two: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """Names that share one action and, where given, conditions on their arguments."""

    names: tuple[str, ...]
    action: Action
    errno_ret: int | None = None
    args: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """runtime-spec ``LinuxSeccomp``; None and () stand for absent fields."""

    default_action: Action
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    listener_path: str | None = None
    listener_metadata: str | None = None
    rules: tuple[Rule, ...] = ()

    def with_rules(self, rules: tuple[Rule, ...]) -> "Profile":
        """The same profile with other rules."""
        return replace(self, rules=rules)

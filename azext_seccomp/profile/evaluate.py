# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a profile does with a call: the action that runc, libseccomp and the kernel arrive at together.

Sources: runc ``libcontainer/seccomp/seccomp_linux.go`` and ``patchbpf/enosys_linux.go``; libseccomp ``src/db.c``,
``src/gen_bpf.c`` and ``src/syscalls.c``; Linux ``kernel/seccomp.c``. The differential test in tests/kernel compares
all of it with the running kernel.
"""

import errno as errnos
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.model import Action, Arg, Profile
from azext_seccomp.profile.multiplexed import direct_and_multiplexed, multiplexed
from azext_seccomp.profile.regions import everything, parts, terms_of
from azext_seccomp.profile.syscalls import ARCHITECTURES, X32_BIT, Architecture, architecture, numbers, since, version
from azext_seccomp.profile.tree import Conflict, Tree, always_true

_MAX_32 = 2**32 - 1
NO_ARGUMENTS = (0, 0, 0, 0, 0, 0)
#: Actions after which the call is carried out, or may be: runc adds no ENOSYS for new syscalls to such a default
#: action.
_ALLOWING = frozenset({Action.ALLOW, Action.LOG, Action.TRACE})
_WITH_ERRNO = frozenset({Action.ERRNO, Action.TRACE})
#: How much harm an action does to the caller; ALLOW and LOG do none.
_SEVERITY = {
    Action.ALLOW: 0,
    Action.LOG: 0,
    Action.TRACE: 2,
    Action.NOTIFY: 2,
    Action.ERRNO: 3,
    Action.TRAP: 4,
    Action.KILL_THREAD: 5,
    Action.KILL_PROCESS: 6,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for a call.

    :param action: never KILL, which is KILL_THREAD.
    :param errno: what the call returns for ERRNO (0: it "succeeds" without being made), what the tracer gets for
        TRACE; None otherwise.
    """

    action: Action
    errno: int | None = None

    @property
    def denies(self) -> bool:
        """Whether the call is not simply carried out."""
        return _SEVERITY[self.action] > 0

    @property
    def falls_back(self) -> bool:
        """Whether the answer is ENOSYS, "no such syscall here", to which programs have an alternative by design."""
        return self.action is Action.ERRNO and self.errno == errnos.ENOSYS


FALLBACK = Decision(Action.ERRNO, errnos.ENOSYS)
#: libseccomp's action for calls of an architecture that the filter does not have (SCMP_FLTATR_ACT_BADARCH; runc
#: leaves it alone).
BAD_ARCHITECTURE = Decision(Action.KILL_THREAD)


def evaluate(profile: Profile, syscall: str, args: Sequence[int], arch: str) -> Decision:
    """What ``profile`` does with one call.

    :param args: six unsigned 64-bit values.
    :param arch: of the calling program: amd64, i386, x32 (on amd64 nodes), arm64, arm (on arm64 nodes).
    :raises InvalidInput: runc would refuse the profile, or ``arch`` has no such syscall.
    """
    return filter_of(profile, architecture(arch).native).evaluate(syscall, args, arch)


def outcomes(profile: Profile, syscall: str, arch: str) -> frozenset[Decision]:
    """Every decision that some arguments lead to; empty when ``arch`` has no such syscall.

    :raises InvalidInput: runc would refuse the profile.
    :raises Unsupported: the conditions are too many to work out.
    """
    return filter_of(profile, architecture(arch).native).outcomes(syscall, arch)


def denial(profile: Profile, syscall: str, arch: str) -> Decision | None:
    """What the enforcing ``profile`` may do with a call that its audit variant logged; None when it never denies the
    syscall.

    Of several the harshest. Rules that answer ENOSYS stay in the audit variant and log nothing; so ENOSYS is the
    answer here only where nothing else is possible: by the default action or for a syscall newer than all that the
    profile names.
    """
    denials = [decision for decision in outcomes(profile, syscall, arch) if decision.denies]
    return max(denials, key=lambda found: (not found.falls_back, _SEVERITY[found.action]), default=None)


@lru_cache(maxsize=64)
def filter_of(profile: Profile, native: str, libseccomp: str | None = None) -> "Filter":
    """The filter of a profile, built once; see :class:`Filter`."""
    return Filter(profile, native, libseccomp)


class Filter:
    """A profile as runc builds it on a node, ready to be asked many times.

    :param native: architecture of the node, amd64 or arm64.
    :param libseccomp: version that runc uses, such as 2.5.3; it knows no newer syscalls. None: one that knows all.
    :raises InvalidInput: runc would refuse the profile.
    """

    def __init__(self, profile: Profile, native: str, libseccomp: str | None = None) -> None:
        node = architecture(native)
        if node.native != node.name:
            raise InvalidInput(f"{native} is no architecture of a node.", fix="Give amd64 or arm64.")
        known = None if libseccomp is None else version(libseccomp)
        self._names = {
            name for name in profile_names(profile) if (first := since(name)) and (not known or first <= known)
        }
        self.default = decision_of(profile.default_action, profile.default_errno_ret)
        rules = list(self._libseccomp_rules(profile))
        tokens = {node.token, *profile.architectures}
        self._tables = {
            found.name: _Table(found, self._names, rules, self.default)
            for found in ARCHITECTURES.values()
            if found.token in tokens and found.native == node.name
        }

    def evaluate(self, syscall: str, args: Sequence[int] = NO_ARGUMENTS, arch: str | None = None) -> Decision:
        """What is done with a call; ``arch`` is that of the node if it is not given.

        :raises InvalidInput: ``arch`` has no such syscall.
        """
        caller = self._caller(arch)
        number = numbers(caller).get(syscall)
        if number is None:
            raise InvalidInput(f"{caller} has no syscall {syscall}.", fix="See man 2 syscalls for the names there are.")
        return self.decide(number, args, caller)

    def decide(self, number: int, args: Sequence[int], arch: str) -> Decision:
        """Like :meth:`evaluate` for a syscall's number, known or not; x32 and amd64 are told apart by the number."""
        number &= _MAX_32
        if arch in ("amd64", "x32"):
            arch = "x32" if number & X32_BIT else "amd64"
        table = self._tables.get(arch)
        if table is not None:
            return table.decide(number, args)
        # libseccomp spares the number -1, with which tracers skip a call.
        return self.default if arch == "x32" and number == _MAX_32 else BAD_ARCHITECTURE

    def outcomes(self, syscall: str, arch: str | None = None) -> frozenset[Decision]:
        """Every decision that some arguments lead to; empty when ``arch`` has no such syscall."""
        caller = self._caller(arch)
        number = numbers(caller).get(syscall)
        if number is None:
            return frozenset()
        table = self._tables.get(caller)
        return frozenset({BAD_ARCHITECTURE}) if table is None else table.outcomes(number, syscall)

    def _caller(self, arch: str | None) -> str:
        return next(iter(self._tables)) if arch is None else architecture(arch).name

    def _libseccomp_rules(self, profile: Profile) -> Iterator["_LibseccompRule"]:
        """The rules in the order in which runc adds them; it skips names it does not know, and rules that do what is
        done anyway.
        """
        for rule in profile.rules:
            decision = decision_of(rule.action, rule.errno_ret)
            if decision != self.default:
                for name in rule.names:
                    if name in self._names:
                        for term in terms_of(rule):
                            yield _LibseccompRule(name, term, decision)


@dataclass(frozen=True, slots=True)
class _LibseccompRule:
    name: str
    conditions: tuple[Arg, ...]
    decision: Decision


def profile_names(profile: Profile) -> frozenset[str]:
    """All syscall names in a profile."""
    return frozenset(name for rule in profile.rules for name in rule.names)


def decision_of(action: Action, errno_ret: int | None) -> Decision:
    """The decision that an action of a profile stands for; the errno is EPERM if it is not given (runc
    ``getAction``).
    """
    if action is Action.KILL:
        return Decision(Action.KILL_THREAD)
    if action in _WITH_ERRNO:
        return Decision(action, errnos.EPERM if errno_ret is None else errno_ret)
    return Decision(action)


class _Table:
    """The rules of one architecture."""

    def __init__(
        self, arch: Architecture, names: set[str], rules: Sequence[_LibseccompRule], default: Decision
    ) -> None:
        self._arch = arch
        self._default = default
        self._always: dict[int | str, Decision] = {}
        self._trees: dict[int | str, Tree[Decision]] = {}
        self._conditions: dict[int | str, list[tuple[Arg, ...]]] = {}
        self._newest = _newest(arch, names) if default.action not in _ALLOWING else None
        for rule in rules:
            for number, conditions in direct_and_multiplexed(arch, rule.name, rule.conditions):
                self._add(rule, number, conditions)

    def decide(self, number: int, args: Sequence[int]) -> Decision:
        if self._newest is not None and number > self._newest:
            return FALLBACK
        always = self._always.get(number)
        if always is not None:
            return always
        tree = self._trees.get(number)
        return (tree and tree.decide(args)) or self._default

    def outcomes(self, number: int, syscall: str) -> frozenset[Decision]:
        space = everything(self._arch.bits)
        regions = parts(space, self._conditions.get(number, ()), syscall)
        return frozenset(self.decide(number, region.example()) for region in regions)

    def _add(self, rule: _LibseccompRule, number: int | str, conditions: Sequence[Arg]) -> None:
        """A rule without conditions beats all that have some, and the first of several such rules stays
        (``db_rule_add``).
        """
        if number in self._always:
            return
        conditions = tuple(condition for condition in conditions if not always_true(condition, self._arch.bits))
        if not conditions:
            self._trees.pop(number, None)
            self._conditions.pop(number, None)
            self._always[number] = rule.decision
            return
        try:
            self._trees.setdefault(number, Tree(self._arch.bits)).add(conditions, rule.decision)
        except Conflict:
            raise InvalidInput(
                f"Two rules for {rule.name} ask for different actions on the same condition.",
                why=f"libseccomp refuses that ({self._arch.name}), so runc does not start the container.",
                fix="Keep one of the rules.",
            ) from None
        self._conditions.setdefault(number, []).append(conditions)


def _newest(arch: Architecture, names: set[str]) -> int | None:
    """The greatest number that the profile names: runc answers ENOSYS to all above it (``patchbpf``,
    ``findLastSyscalls``).
    """
    counted = {name for name in names if not multiplexed(arch.name, name)}
    return max((number for name, number in numbers(arch.name).items() if name in counted), default=0) or None

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a profile does with a call: the action that runc, libseccomp and the kernel arrive at together.

Sources: runc ``libcontainer/seccomp/seccomp_linux.go`` and ``patchbpf/enosys_linux.go``; libseccomp ``src/db.c``,
``src/gen_bpf.c`` and ``src/syscalls.c``; Linux ``kernel/seccomp.c``. The differential test in tests/kernel compares
all of it with the running kernel.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.blocks import generate
from azext_seccomp.profile.chain import Test
from azext_seccomp.profile.decision import BAD_ARCHITECTURE, FALLBACK, Decision, decision_of
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.multiplexed import multiplexed
from azext_seccomp.profile.regions import terms_of
from azext_seccomp.profile.syscalls import ARCHITECTURES, X32_BIT, architecture, numbers, since, version
from azext_seccomp.profile.table import LibseccompRule, Table

__all__ = [
    "NO_ARGUMENTS",
    "Decision",
    "Filter",
    "decision_of",
    "denial",
    "evaluate",
    "filter_of",
    "outcomes",
    "profile_names",
]

_MAX_32 = 2**32 - 1
NO_ARGUMENTS = (0, 0, 0, 0, 0, 0)
#: Default actions after which a call is carried out, or may be: then runc adds no ENOSYS for new syscalls.
_ALLOWING = frozenset({Action.ALLOW, Action.LOG, Action.TRACE})
#: From here on runc has libseccomp arrange the syscalls as a binary tree.
_MANY_RULES = 32


def evaluate(profile: Profile, syscall: str, args: Sequence[int], arch: str) -> Decision:
    """What ``profile`` does with one call.

    :param args: six unsigned 64-bit values.
    :param arch: of the calling program: amd64, i386, x32 (on amd64 nodes), arm64, arm (on arm64 nodes).
    :raises InvalidInput: runc would refuse the profile, or ``arch`` has no such syscall.
    :raises Unsupported: the rules for a syscall are too many to work out.
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
    return max(denials, key=lambda found: (not found.falls_back, found.severity), default=None)


@lru_cache(maxsize=64)
def filter_of(profile: Profile, native: str, libseccomp: str | None = None) -> "Filter":
    """The filter of a profile, built once; see :class:`Filter`."""
    return Filter(profile, native, libseccomp)


class Filter:
    """A profile as runc builds it on a node, ready to be asked many times.

    :param native: architecture of the node, amd64 or arm64.
    :param libseccomp: version that runc uses, such as 2.5.3; it knows no newer syscalls. None: one that knows all.
    :raises InvalidInput: runc would refuse the profile.
    :raises Unsupported: the rules for a syscall are too many to work out.
    """

    def __init__(self, profile: Profile, native: str, libseccomp: str | None = None) -> None:
        node = architecture(native)
        if node.native != node.name:
            raise InvalidInput(f"{native} is no architecture of a node.", fix="Give amd64 or arm64.")
        known = None if libseccomp is None else version(libseccomp)
        found = ((name, since(name)) for name in profile_names(profile))
        self._names = {name for name, first in found if first and (not known or first <= known)}
        self.default = decision_of(profile.default_action, profile.default_errno_ret)
        rules = list(self._libseccomp_rules(profile))
        tokens = {node.token, *profile.architectures}
        callers = [arch for arch in ARCHITECTURES.values() if arch.token in tokens and arch.native == node.name]
        self._tables = {arch.name: Table(arch, rules) for arch in callers}
        answers_enosys = profile.default_action not in _ALLOWING
        self._newest = {arch.name: _newest(arch.name, self._names) if answers_enosys else None for arch in callers}
        self._blind = self._arrange(profile)

    def newest(self, arch: str) -> int | None:
        """The number above which runc answers ENOSYS whatever the rules say; None when it does not, or when the filter
        does not cover ``arch``.
        """
        return self._newest.get(arch)

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
        if table is None:
            # libseccomp spares the number -1, with which tracers skip a call.
            return self.default if arch == "x32" and number == _MAX_32 else BAD_ARCHITECTURE
        newest = self._newest[arch]
        if newest is not None and number > newest:
            return FALLBACK
        if arch in self._blind:
            return self.default
        return table.decide(number, args) or self.default

    def outcomes(self, syscall: str, arch: str | None = None) -> frozenset[Decision]:
        """Every decision that some arguments lead to; empty when ``arch`` has no such syscall.

        :raises Unsupported: the conditions are too many to work out.
        """
        caller = self._caller(arch)
        number = numbers(caller).get(syscall)
        if number is None:
            return frozenset()
        table = self._tables.get(caller)
        if table is None:
            return frozenset({BAD_ARCHITECTURE})
        return frozenset(self.decide(number, args, caller) for args in table.examples(number, syscall))

    def _caller(self, arch: str | None) -> str:
        return next(iter(self._tables)) if arch is None else architecture(arch).name

    def _libseccomp_rules(self, profile: Profile) -> Iterator[LibseccompRule]:
        """The rules in the order in which runc adds them, without those it skips.

        It skips names that its libseccomp does not know, and rules that do what is done anyway.
        """
        for rule in profile.rules:
            decision = decision_of(rule.action, rule.errno_ret)
            if decision != self.default:
                for name in rule.names:
                    if name in self._names:
                        for term in terms_of(rule):
                            yield LibseccompRule(name, term, decision)

    def _arrange(self, profile: Profile) -> frozenset[str]:
        """Put the tests of all syscalls in the order of libseccomp; the architectures whose rules never match.

        In a filter with few rules syscalls with fewer tests come first, otherwise those with greater numbers
        (``_gen_bpf_syscalls``). The first one has the number of the call loaded. When that is a syscall that the
        architecture does not have, it is left out and the load with it: every call gets the default action.
        """
        many = sum(len(rule.names) for rule in profile.rules) > _MANY_RULES
        blind: set[str] = set()
        conditional: list[tuple[Table, int, Sequence[Test[Decision]]]] = []
        for archs in self._shared_lists(profile):
            entries = [(self._tables[arch], *entry) for arch in archs for entry in self._tables[arch].syscalls()]
            if many:
                entries.reverse()
            else:
                entries.sort(key=lambda entry: entry[2])
            if entries and isinstance(entries[0][1], str) and not many and archs not in (["amd64"], ["x32"]):
                blind.update(archs)
            for table, number, _, level in entries:
                if level and isinstance(number, int):
                    conditional.append((table, number, level))
        starts = generate(level for _, _, level in conditional)
        for (table, number, _), start in zip(conditional, starts, strict=True):
            table.blocks[number] = start
        return frozenset(blind)

    def _shared_lists(self, profile: Profile) -> list[list[str]]:
        """The architectures in the order in which the filter has them; amd64 and x32 share one list of syscalls."""
        tokens = {arch.token: arch.name for arch in ARCHITECTURES.values() if arch.name in self._tables}
        order = dict.fromkeys([next(iter(self._tables)), *(tokens[t] for t in profile.architectures if t in tokens)])
        if "x32" not in order:
            return [[arch] for arch in order]
        return [["amd64", "x32"], *([arch] for arch in order if arch not in ("amd64", "x32"))]


def profile_names(profile: Profile) -> frozenset[str]:
    """All syscall names in a profile."""
    return frozenset(name for rule in profile.rules for name in rule.names)


def _newest(arch: str, names: set[str]) -> int | None:
    """The greatest number that the profile names; runc answers ENOSYS to all above (``patchbpf``, findLastSyscalls)."""
    counted = {name for name in names if not multiplexed(arch, name)}
    return max((number for name, number in numbers(arch).items() if name in counted), default=0) or None

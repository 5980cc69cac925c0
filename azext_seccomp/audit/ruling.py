# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the audited profile does with a call that was seen: the profile engine, asked about findings."""

import re
from collections.abc import Callable, Iterator

from azext_seccomp.audit.aggregate import Finding
from azext_seccomp.audit.verdict import Ruling
from azext_seccomp.errors import Unsupported
from azext_seccomp.profile.evaluate import NO_ARGUMENTS, Decision, decision_of, denial, filter_of
from azext_seccomp.profile.model import Action, Profile

# What the gadget recorded, when the filter did refuse the call (canary, or a profile that the workload had anyway).
_REFUSED = {
    "SECCOMP_RET_KILL_PROCESS": Action.KILL_PROCESS,
    "SECCOMP_RET_KILL_THREAD": Action.KILL_THREAD,
    "SECCOMP_RET_TRAP": Action.TRAP,
    "SECCOMP_RET_ERRNO": Action.ERRNO,
    "SECCOMP_RET_USER_NOTIF": Action.NOTIFY,
    "SECCOMP_RET_TRACE": Action.TRACE,
}
_BY_NUMBER = re.compile(r"syscall_(\d{1,10})", re.ASCII)  # how ``gadget.event`` calls what has no name


class ProfileRule:
    """Implements ``verdict.Rule`` for one profile.

    A profile that refuses nothing and logs something is an audit profile already: what it logs is what its author means
    to refuse, so those findings are ``blocked``. Of a profile that refuses something, what it only logs is ``logged``.

    :param profile: the one that is to be enforced, not its audit variant.
    :param arch_of: architecture (amd64, arm64) of a node by its name.
    """

    def __init__(self, profile: Profile, arch_of: Callable[[str], str]) -> None:
        self._profile = profile
        self._arch_of = arch_of
        self.only_logs = not any(decision.denies for decision in _decisions(profile))
        """Whether the profile is an audit profile itself."""
        self._known: dict[tuple[str, str], Ruling | None] = {}

    def __call__(self, finding: Finding) -> Ruling:
        """The harshest ruling over the nodes that the call was seen on."""
        if self.only_logs:
            return Ruling("blocked", Action.LOG.value)
        arches = {self._arch_of(node) for node in finding.nodes}
        rulings = [self._denied(finding.syscall, arch) for arch in sorted(arches)]
        given = [ruling for ruling in rulings if ruling is not None]
        if given:
            return next((ruling for ruling in given if ruling.finding_class == "blocked"), given[0])
        refused = _REFUSED.get(finding.code)
        return Ruling("logged", Action.LOG.value) if refused is None else Ruling("blocked", refused.value)

    def _denied(self, syscall: str, arch: str) -> Ruling | None:
        key = (syscall, arch)
        if key not in self._known:
            self._known[key] = self._ask(syscall, arch)
        return self._known[key]

    def _ask(self, syscall: str, arch: str) -> Ruling | None:
        by_number = _BY_NUMBER.fullmatch(syscall)
        try:
            if by_number is None:
                decision = denial(self._profile, syscall, arch)
            else:
                decision = filter_of(self._profile, arch).decide(int(by_number.group(1)), NO_ARGUMENTS, arch)
        except Unsupported:
            # The conditions on its arguments are too many to work out; it was logged, so some of them refuse it.
            return Ruling("blocked", "")
        return _ruling(decision)


def _ruling(decision: Decision | None) -> Ruling | None:
    if decision is None or not decision.denies:
        return None
    return Ruling("fallback" if decision.falls_back else "blocked", decision.action.value)


def _decisions(profile: Profile) -> Iterator[Decision]:
    yield decision_of(profile.default_action, profile.default_errno_ret)
    for rule in profile.rules:
        yield decision_of(rule.action, rule.errno_ret)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the audited profiles do with a call that was seen: the profile engine, asked about findings."""

import re
from collections.abc import Callable, Iterator

from azext_seccomp.audit.aggregate import Finding
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.verdict import Ruling
from azext_seccomp.errors import Unsupported
from azext_seccomp.profile.evaluate import NO_ARGUMENTS, Decision, denial, filter_of, outcomes
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


PathOf = Callable[[str, str, str], str]
"""The ``localhostProfile`` of a container, by namespace, pod and name; empty when it is not known."""


class ProfileRule:
    """Implements ``verdict.Rule`` for the profiles of an audit.

    A profile that refuses nothing and logs something is an audit profile already: what it logs is what its author means
    to refuse, so those findings are ``blocked``. Of a profile that refuses something, what it only logs is ``logged``.

    Under a canary the filter has decided already, and the record tells its action; the profile tells the errno.

    :param profiles: with what is to be enforced in the place of each audit profile.
    """

    def __init__(self, profiles: ProfileSet, path_of: PathOf) -> None:
        self._profiles = profiles
        self._path_of = path_of
        self._known: dict[tuple[str, Profile, str], Ruling | None] = {}

    def __call__(self, finding: Finding) -> Ruling:
        """The harshest ruling over the nodes that the call was seen on."""
        if self._profiles.only_logs:
            return Ruling("blocked", Action.LOG.value)
        if self._profiles.mode == "canary":
            return self._happened(finding)
        given = [ruling for enforced in self._enforced(finding) if (ruling := self._denied(finding.syscall, *enforced))]
        if given:
            return next((ruling for ruling in given if ruling.finding_class == "blocked"), given[0])
        refused = _REFUSED.get(finding.code)
        return Ruling("logged", Action.LOG.value) if refused is None else Ruling("blocked", refused.value)

    def _happened(self, finding: Finding) -> Ruling:
        refused = _REFUSED.get(finding.code)
        if refused is None:
            return Ruling("logged", Action.LOG.value)
        possible = [one for enforced in self._enforced(finding) for one in _possible(finding.syscall, *enforced)]
        errors = [one for one in possible if one.action is refused]
        falls_back = bool(errors) and all(one.falls_back for one in errors)
        return Ruling("fallback" if falls_back else "blocked", refused.value)

    def _enforced(self, finding: Finding) -> Iterator[tuple[Profile, str]]:
        path = self._path_of(finding.namespace, finding.pod, finding.container)
        for node in finding.nodes:
            enforced = self._profiles.enforced(path, node)
            if enforced is not None:
                yield enforced

    def _denied(self, syscall: str, profile: Profile, arch: str) -> Ruling | None:
        key = (syscall, profile, arch)
        if key not in self._known:
            self._known[key] = _ask(*key)
        return self._known[key]


def _ask(syscall: str, profile: Profile, arch: str) -> Ruling | None:
    by_number = _BY_NUMBER.fullmatch(syscall)
    try:
        if by_number is None:
            decision = denial(profile, syscall, arch)
        else:
            decision = filter_of(profile, arch).decide(int(by_number.group(1)), NO_ARGUMENTS, arch)
    except Unsupported:
        # The conditions on its arguments are too many to work out; it was logged, so some of them refuse it.
        return Ruling("blocked", "")
    return _ruling(decision)


def _possible(syscall: str, profile: Profile, arch: str) -> frozenset[Decision]:
    """What the profile may do with a call; empty where its conditions are too many to work out."""
    by_number = _BY_NUMBER.fullmatch(syscall)
    try:
        if by_number is None:
            return outcomes(profile, syscall, arch)
        return frozenset({filter_of(profile, arch).decide(int(by_number.group(1)), NO_ARGUMENTS, arch)})
    except Unsupported:
        return frozenset()


def _ruling(decision: Decision | None) -> Ruling | None:
    if decision is None or not decision.denies:
        return None
    return Ruling("fallback" if decision.falls_back else "blocked", decision.action.value)

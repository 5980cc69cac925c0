# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What findings mean: for one workload, and for all of them.

``blocked`` is certain: the call was made and the profile refuses it. ``clean`` and ``fallback`` claim that nothing
else happened, so they need complete observation; with any gap in it they become ``inconclusive``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from azext_seccomp.audit.aggregate import Finding, Findings

FindingClass = Literal["blocked", "fallback", "logged", "startup"]
"""``blocked``: refused. ``fallback``: refused with ENOSYS, which libraries expect and work around (glibc: clone3 →
clone). ``logged``: allowed, the profile only logs it. ``startup``: made by the container runtime, not by the
application."""

Verdict = Literal["clean", "fallback", "blocked", "inconclusive"]

Treatment = Literal["watched", "applied", "patched", "copied"]
"""What the audit did to a workload: nothing; made it, of a manifest; put its pods under the audit profile and back;
ran a copy of it beside it."""

_WORST_FIRST: tuple[Verdict, ...] = ("blocked", "inconclusive", "fallback", "clean")
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the audited profile does with a call: its class, and the action in the profile's words
    (``SCMP_ACT_ERRNO``)."""

    finding_class: FindingClass
    action: str


class Rule(Protocol):
    """Tells what the audited profile does with the call of a finding; the profile engine fills it."""

    def __call__(self, finding: Finding) -> Ruling: ...


@dataclass(frozen=True, slots=True)
class Observed:
    """How much of a workload was seen: for how long (whole seconds), how many pods of it ran, and how often containers
    of them were started again meanwhile. What it does at other times is not in the result.
    """

    seconds: int = 0
    pods: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """The owner of the pods that were audited, as resolved by whoever knows owners.

    ``nodes`` are those that its pods ran on while it was watched.
    """

    namespace: str
    kind: str
    name: str
    containers: tuple[str, ...] = ()
    nodes: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    """What else limits the result, in words for an operator; any of them makes it inconclusive."""
    observed: Observed = Observed()
    treatment: Treatment = "watched"
    before: Mapping[str, str] = field(default_factory=dict)
    """The profile that each container had before the audit changed it, in words."""

    @property
    def label(self) -> str:
        """``Deployment/web``."""
        return f"{self.kind}/{self.name}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other workload."""
        return self.namespace, self.kind, self.name


class WorkloadOf(Protocol):
    """Resolves a pod to the workload that owns it; None when it belongs to none that is audited."""

    def __call__(self, namespace: str, pod: str) -> Workload | None: ...


@dataclass(frozen=True, slots=True)
class NodeCoverage:
    """How well a node was watched: ``status`` of its collector (``ended`` is the good one) or ``skipped``; ``lost``
    is a lower bound."""

    name: str
    pool: str
    status: str
    events: int = 0
    lost: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A finding with its workload and what the profile does with it."""

    finding: Finding
    ruling: Ruling
    workload: Workload | None

    @property
    def finding_class(self) -> FindingClass:
        """The runtime's own calls are a class of their own, whatever the profile does with them."""
        return "startup" if self.finding.of_runtime else self.ruling.finding_class


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, in words, what it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]


def rule_all(findings: Iterable[Finding], rule: Rule, workload_of: WorkloadOf) -> list[Ruled]:
    """Every finding with its workload and its ruling."""
    return [Ruled(finding, rule(finding), workload_of(finding.namespace, finding.pod)) for finding in findings]


def gaps(workload: Workload, nodes: Iterable[NodeCoverage], findings: Findings, workload_of: WorkloadOf) -> list[str]:
    """Why something of this workload may have gone unseen."""
    by_name = {node.name: node for node in nodes}
    found = list(workload.reasons)
    if not workload.nodes:
        found.append("no pod of it was seen running under the audit profile")
    for name in sorted(workload.nodes):
        node = by_name.get(name)
        if node is None or node.status not in ("ready", "ended"):
            found.append(f"node {name} was not watched" + (f": {node.detail}" if node and node.detail else ""))
        elif node.lost:
            found.append(f"node {name} lost at least {_count(node.lost, 'event')}")
    beyond = findings.unattributed_overflow
    for (namespace, pod, _), count in findings.overflow.items():
        owner = workload_of(namespace, pod)
        beyond += count if owner is not None and owner.key == workload.key else 0
    if beyond:
        found.append(f"{_count(beyond, 'event')} went past the number of findings that are kept")
    return found


def judge(ruled: Sequence[Ruled], unseen: Sequence[str]) -> Judgement:
    """The verdict on one workload.

    :param ruled: its findings.
    :param unseen: what ``gaps`` says of it.
    """
    blocked = _syscalls(ruled, "blocked")
    fallback = _syscalls(ruled, "fallback")
    startup = {one.finding.syscall for one in ruled if one.finding.of_runtime and one.ruling.finding_class == "blocked"}
    reasons = []
    if blocked:
        reasons.append(f"the profile would refuse {_listed(blocked)}")
    if fallback:
        reasons.append(f"the profile answers {_listed(fallback)} with ENOSYS, for which libraries have a fallback")
    if startup:
        reasons.append(f"the profile would refuse {_listed(startup)} to runc, so the container may not start")
    reasons += unseen
    if blocked:
        return Judgement("blocked", tuple(reasons))
    if unseen or startup:
        return Judgement("inconclusive", tuple(reasons))
    return Judgement("fallback" if fallback else "clean", tuple(reasons))


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; ``inconclusive`` when there is none, because then nothing was audited."""
    given = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in given), "inconclusive")


def _syscalls(ruled: Iterable[Ruled], finding_class: FindingClass) -> set[str]:
    return {one.finding.syscall for one in ruled if one.finding_class == finding_class}


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:_NAMES_SHOWN]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

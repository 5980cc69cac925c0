# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The result of one audit as plain data: what every output format is made from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from azext_seccomp.audit.aggregate import Findings
from azext_seccomp.audit.verdict import (
    Judgement,
    NodeCoverage,
    Rule,
    Ruled,
    Verdict,
    Workload,
    WorkloadOf,
    gaps,
    judge,
    overall,
    rule_all,
)
from azext_seccomp.gadget.timestamps import utc_millisecond

Json = dict[str, Any]

Advice = Callable[[Ruled], str]
"""What to do about a finding, one or two sentences; empty when there is nothing to say."""


@dataclass(frozen=True, slots=True)
class ProfileIdentity:
    """The audited profile: its name, the sha256 of the file as it was given (hexadecimal), and where it came from."""

    name: str
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class NotAuditable:
    """A container that no profile can be tried on, and why. Of a whole workload ``pod`` and ``container`` are empty."""

    namespace: str
    pod: str
    container: str
    reason: str
    workload: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What one audit was. Times in nanoseconds since 1970."""

    session: str
    cluster: Mapping[str, Any]
    profile: ProfileIdentity
    mode: Literal["audit", "canary"]
    started_ns: int
    ended_ns: int


def no_advice(_: Ruled) -> str:
    """The advice of whoever has none."""
    return ""


def build(
    run: Run,
    findings: Findings,
    *,
    workloads: Sequence[Workload],
    workload_of: WorkloadOf,
    rule: Rule,
    nodes: Sequence[NodeCoverage],
    not_auditable: Iterable[NotAuditable] = (),
    advice: Advice = no_advice,
) -> Json:
    """The report. Findings are sorted by count, workloads keep their order."""
    ruled = rule_all(findings.all(), rule, workload_of)
    by_workload: dict[tuple[str, str, str], list[Ruled]] = {}
    for one in ruled:
        if one.workload is not None:
            by_workload.setdefault(one.workload.key, []).append(one)
    judged = [
        (workload, judge(by_workload.get(workload.key, ()), gaps(workload, nodes, findings, workload_of)))
        for workload in workloads
    ]
    return {
        "cluster": dict(run.cluster),
        "profile": {"name": run.profile.name, "sha256": run.profile.sha256, "source": run.profile.source},
        "mode": run.mode,
        "startedAt": utc_millisecond(run.started_ns),
        "endedAt": utc_millisecond(run.ended_ns),
        "verdict": _overall(judged, ruled),
        "workloads": [_workload_row(workload, judgement) for workload, judgement in judged],
        "findings": [finding_row(one, advice) for one in ruled],
        "notAuditable": [asdict(one) for one in not_auditable],
        "nodes": [_node_row(node) for node in nodes],
        "session": run.session,
    }


def _overall(judged: Iterable[tuple[Workload, Judgement]], ruled: Iterable[Ruled]) -> Verdict:
    """A refused call counts even if nobody knows any more whose it was: its pod may be gone."""
    verdicts = [judgement.verdict for _, judgement in judged]
    verdicts += ["blocked" for one in ruled if one.workload is None and one.finding_class == "blocked"]
    return overall(verdicts)


def _workload_row(workload: Workload, judgement: Judgement) -> Json:
    return {
        "namespace": workload.namespace,
        "kind": workload.kind,
        "name": workload.name,
        "verdict": judgement.verdict,
        "containers": list(workload.containers),
        "reasons": list(judgement.reasons),
        "treatment": workload.treatment,
        "before": dict(workload.before),
        "observed": asdict(workload.observed),
    }


def finding_row(one: Ruled, advice: Advice) -> Json:
    """One finding as it stands in a report."""
    finding = one.finding
    return {
        "namespace": finding.namespace,
        "workload": one.workload.label if one.workload else "",
        "pod": finding.pod,
        "container": finding.container,
        "comm": finding.comm,
        "syscall": finding.syscall,
        "syscallNumber": None if finding.syscall_number < 0 else finding.syscall_number,
        "action": one.ruling.action,
        "class": one.finding_class,
        "count": finding.count,
        "firstSeen": utc_millisecond(finding.first_seen_ns),
        "lastSeen": utc_millisecond(finding.last_seen_ns),
        "nodes": list(finding.nodes),
        "advice": advice(one),
    }


def _node_row(node: NodeCoverage) -> Json:
    return {
        "name": node.name,
        "pool": node.pool,
        "status": node.status,
        "events": node.events,
        "lost": node.lost,
        "detail": node.detail,
    }

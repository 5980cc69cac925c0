# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report: every key, in the shape that all output formats rely on."""

import json
from typing import Any

from azext_seccomp.audit.aggregate import Finding, Findings
from azext_seccomp.audit.report import NotAuditable, ProfileIdentity, Run, build
from azext_seccomp.audit.verdict import NodeCoverage, Observed, Ruled, Ruling, Workload
from azext_seccomp.gadget.event import Event

WEB = Workload(
    "default",
    "Deployment",
    "web",
    ("web", "sidecar"),
    frozenset({"node1"}),
    observed=Observed(60, 2, 1),
    treatment="patched",
    before={"web": "RuntimeDefault"},
)
RUN = Run(
    session="sabcdefghij",
    cluster={"name": "aks1"},
    profile=ProfileIdentity("restrictive.json", "ab" * 32, "file"),
    mode="audit",
    started_ns=1_000_000_000,
    ended_ns=61_500_000_000,
)


def event(syscall: str, comm: str = "sh", pod: str = "web-0") -> Event:
    return Event(
        2_000_000_000,
        "node1",
        "default",
        pod,
        "web",
        comm,
        7,
        7,
        "SECCOMP_RET_LOG",
        2147221504,
        syscall,
        165,
        "",
        0,
        "",
    )


def rule(finding: Finding) -> Ruling:
    known = {"clone3": Ruling("fallback", "SCMP_ACT_ERRNO"), "read": Ruling("logged", "SCMP_ACT_LOG")}
    return known.get(finding.syscall, Ruling("blocked", "SCMP_ACT_ERRNO"))


def owner(namespace: str, pod: str) -> Workload | None:
    return WEB if (namespace, pod) == ("default", "web-0") else None


def advice(one: Ruled) -> str:
    return f"about {one.finding.syscall}"


def report(*events: Event, workloads: tuple[Workload, ...] = (WEB,), lost: int = 0) -> dict[str, Any]:
    findings = Findings()
    for one in events:
        findings.add(one)
    return build(
        RUN,
        findings,
        workloads=workloads,
        workload_of=owner,
        rule=rule,
        nodes=[NodeCoverage("node1", "nodepool1", "ended", len(events), lost, "")],
        not_auditable=[NotAuditable("default", "db-0", "db", "privileged")],
        advice=advice,
    )


def test_the_report_in_full() -> None:
    assert report(event("mount"), event("mount")) == {
        "cluster": {"name": "aks1"},
        "profile": {"name": "restrictive.json", "sha256": "ab" * 32, "source": "file"},
        "mode": "audit",
        "startedAt": "1970-01-01T00:00:01.000Z",
        "endedAt": "1970-01-01T00:01:01.500Z",
        "verdict": "blocked",
        "workloads": [
            {
                "namespace": "default",
                "kind": "Deployment",
                "name": "web",
                "verdict": "blocked",
                "containers": ["web", "sidecar"],
                "reasons": ["the profile would refuse mount"],
                "treatment": "patched",
                "before": {"web": "RuntimeDefault"},
                "observed": {"seconds": 60, "pods": 2, "restarts": 1},
            }
        ],
        "findings": [
            {
                "namespace": "default",
                "workload": "Deployment/web",
                "pod": "web-0",
                "container": "web",
                "comm": "sh",
                "syscall": "mount",
                "syscallNumber": 165,
                "action": "SCMP_ACT_ERRNO",
                "class": "blocked",
                "count": 2,
                "firstSeen": "1970-01-01T00:00:02.000Z",
                "lastSeen": "1970-01-01T00:00:02.000Z",
                "nodes": ["node1"],
                "advice": "about mount",
            }
        ],
        "notAuditable": [
            {"namespace": "default", "pod": "db-0", "container": "db", "reason": "privileged", "workload": ""}
        ],
        "nodes": [
            {"name": "node1", "pool": "nodepool1", "status": "ended", "events": 2, "lost": 0, "detail": ""},
        ],
        "session": "sabcdefghij",
    }


def test_it_is_plain_json() -> None:
    made = report(event("mount"), event("clone3"))
    assert json.loads(json.dumps(made)) == made


def test_the_verdict_is_that_of_the_workloads() -> None:
    assert report()["verdict"] == "clean"
    assert report(event("read"))["verdict"] == "clean"
    assert report(event("clone3"))["verdict"] == "fallback"
    assert report(event("clone3"), lost=1)["verdict"] == "inconclusive"


def test_a_finding_whose_workload_is_unknown_still_counts() -> None:
    made = report(event("mount", pod="gone"))
    assert made["findings"][0]["workload"] == ""
    assert made["workloads"][0]["verdict"] == "clean"
    assert made["verdict"] == "blocked"


def test_calls_of_the_runtime_have_a_class_of_their_own() -> None:
    made = report(event("mount", comm="runc:[2:INIT]"))
    assert made["findings"][0]["class"] == "startup"
    assert made["verdict"] == "inconclusive"


def test_an_audit_of_nothing_proves_nothing() -> None:
    assert report(workloads=())["verdict"] == "inconclusive"

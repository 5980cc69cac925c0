# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Reports to export, made by what makes them in earnest."""

from collections.abc import Sequence
from typing import Any

from azext_seccomp.audit.advice import advice
from azext_seccomp.audit.aggregate import Finding, Findings
from azext_seccomp.audit.report import NotAuditable, ProfileIdentity, Run, build
from azext_seccomp.audit.verdict import NodeCoverage, Observed, Ruling, Workload
from azext_seccomp.gadget.event import Event
from azext_seccomp.local import report as local_report
from azext_seccomp.local.protocol import Denial, Ending, Report

Json = dict[str, Any]

SECOND = 1_000_000_000
STARTED = 1_764_330_000 * SECOND
SHA256 = "ab" * 32

HOSTILE = (
    "</script><img src=x onerror=\"document.title='owned'\">",
    "</style><script>document.title='owned'</script>",
    "\"'><svg onload=alert(1)>",
    "<!--<iframe srcdoc='x'>",
    "]]>&lt;b&gt;<b>bold",
    "[click](https://example.invalid)",
    "user\u202egnp.exe\u2066",
    "bell\x07 escape\x1b[2J null\x00 \ufffe \ud800",
    "javascript:alert(1)",
)

_RULINGS = {"clone3": Ruling("fallback", "SCMP_ACT_ERRNO"), "read": Ruling("logged", "SCMP_ACT_LOG")}
_BLOCKED = Ruling("blocked", "SCMP_ACT_ERRNO")

Call = tuple[str, str, str, str, str, int]
"""Namespace, pod, container, process, syscall, and how often."""

CALLS: tuple[Call, ...] = (
    ("default", "web-1", "web", "nginx", "mount", 3),
    ("default", "web-2", "web", "nginx", "mount", 2),
    ("default", "web-1", "sidecar", "envoy", "clone3", 800),
    ("data", "db-0", "postgres", "postgres", "read", 31),
    ("data", "db-0", "postgres", "runc:[2:INIT]", "close_range", 1),
)

WEB = Workload(
    "default",
    "Deployment",
    "web",
    ("web", "sidecar", "quiet"),
    frozenset({"node1"}),
    observed=Observed(300, 2, 1),
    treatment="patched",
    before={"web": "RuntimeDefault"},
)
DATABASE = Workload("data", "StatefulSet", "db", ("postgres",), frozenset({"node1"}), observed=Observed(290, 1, 0))
IDLE = Workload("default", "Deployment", "idle", ("idle",), frozenset({"node1"}), observed=Observed(300, 1, 0))
NODES = (NodeCoverage("node1", "pool1", "ended", 837, 0, ""),)


def audited(
    calls: Sequence[Call] = CALLS,
    workloads: Sequence[Workload] = (WEB, DATABASE, IDLE),
    nodes: Sequence[NodeCoverage] = NODES,
    not_auditable: Sequence[NotAuditable] = (),
    source: str = "profiles/web profile.json",
) -> Json:
    """The report of an audit. A pod belongs to the workload whose name it begins with."""
    findings = Findings()
    for namespace, pod, container, comm, syscall, count in calls:
        for number in range(count):
            findings.add(_event(namespace, pod, container, comm, syscall, STARTED + number % 200 * SECOND))
    run = Run(
        "sabcdefghij",
        {"name": "shop-prod", "resourceGroup": "shop"},
        ProfileIdentity(source.rpartition("/")[2], SHA256, source),
        "audit",
        STARTED,
        STARTED + 312 * SECOND,
    )

    def owner(namespace: str, pod: str) -> Workload | None:
        name = pod.rpartition("-")[0]
        return next((one for one in workloads if (one.namespace, one.name) == (namespace, name)), None)

    def rule(finding: Finding) -> Ruling:
        return _RULINGS.get(finding.syscall, _BLOCKED)

    report = build(
        run,
        findings,
        workloads=workloads,
        workload_of=owner,
        rule=rule,
        nodes=nodes,
        not_auditable=not_auditable,
        advice=advice,
    )
    return report | {"notes": ["2 pods were running when the audit began."]}


def tried(*denied: tuple[str, str, int], argv: Sequence[str] = ("/bin/web", "--port", "80")) -> Json:
    """The report of a try: process, syscall and errno of each denial, once each."""
    start = STARTED / SECOND
    ending = Ending(0, "", 0)
    calls = [
        Denial(comm, syscall, "amd64", "SCMP_ACT_ERRNO", errno, "CLONE_NEWUSER", 1, start, start + 1.5)
        for comm, syscall, errno in denied
    ]
    run = Report(ending=ending, denied=calls, started_at=start, ended_at=start + 2)
    return local_report.build(run, ending, ProfileIdentity("web.json", SHA256, "web.json"), argv, "audit")


def hostile() -> Json:
    """An audit in which whoever runs containers chose each name to break what shows it."""
    calls = []
    workloads = []
    for number, text in enumerate(HOSTILE):
        workloads.append(
            Workload(text, "Deployment", f"w{number}{text}", (text,), frozenset({text}), (text,), before={text: text})
        )
        calls.append((text, f"w{number}{text}-1", text, text, text, 2))
        calls.append((text, f"stray{number}", text, text, "mount", 1))
    nodes = [NodeCoverage(text, text, "failed", 0, 3, text) for text in HOSTILE]
    unaudited = [NotAuditable(text, text, text, text, text) for text in HOSTILE]
    report = audited(calls, workloads, nodes, unaudited, source=HOSTILE[0])
    report["profile"]["variants"] = [
        {"capabilities": text, "containerd": text, "arch": text, "nodes": [text], "sha256": text} for text in HOSTILE
    ]
    return report | {"notes": list(HOSTILE), "next": list(HOSTILE), "cluster": {"name": HOSTILE[0]}}


def large(findings: int) -> Json:
    """An audit with so many findings: 50 workloads, 200 system calls."""
    calls = [
        ("default", f"w{number % 50}-1", "main", f"p{number // 50}", f"call{number % 200}", 1 + number % 7)
        for number in range(findings)
    ]
    workloads = [
        Workload("default", "Deployment", f"w{number}", ("main",), frozenset({"node1"})) for number in range(50)
    ]
    return audited(calls, workloads)


def _event(namespace: str, pod: str, container: str, comm: str, syscall: str, time_ns: int) -> Event:
    code = "SECCOMP_RET_LOG"
    return Event(time_ns, "node1", namespace, pod, container, comm, 7, 7, code, 2147221504, syscall, 165, "", 0, "")

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A report as the formats see it: an audit's and a try's alike, by workload, and with text that is fit to be shown."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_seccomp.cluster.text import printable

SEVERITY = ("blocked", "startup", "fallback", "logged")
"""The classes of findings, worst first."""

_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one process did in one container: the findings of all pods of a workload that are alike, added up."""

    container: str
    comm: str
    syscall: str
    finding_class: str
    action: str
    count: int
    pods: tuple[str, ...]
    nodes: tuple[str, ...]
    first_seen: str
    last_seen: str
    advice: str
    detail: str

    @property
    def place(self) -> str:
        """The container; of a try, which has none, the process."""
        return self.container or self.comm

    @property
    def rank(self) -> tuple[int, int, str, str, str]:
        """Worst first, then the most frequent."""
        return _rank(self.finding_class), -self.count, self.syscall, self.container, self.comm


@dataclass(frozen=True, slots=True)
class Subject:
    """What the verdict is on: a workload, a pod whose workload is not known, or the command of a try."""

    namespace: str
    label: str
    verdict: str
    reasons: tuple[str, ...]
    containers: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: int | None = None
    """For how long it was observed; None when that is the whole run, or not known."""
    pods: int | None = None
    restarts: int | None = None
    treatment: str = ""
    before: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """``default/Deployment/web``."""
        return f"{self.namespace}/{self.label}" if self.namespace else self.label

    @property
    def places(self) -> tuple[str, ...]:
        """Its containers, or processes: at least one, which has no name when nothing is known."""
        return tuple(dict.fromkeys([*self.containers, *(one.place for one in self.findings)])) or ("",)

    def at(self, place: str) -> dict[str, list[Finding]]:
        """The findings at one of them, by system call, worst first."""
        found: dict[str, list[Finding]] = {}
        for one in self.findings:
            if one.place == place:
                found.setdefault(one.syscall, []).append(one)
        return found


@dataclass(frozen=True, slots=True)
class Unaudited:
    """A container or workload that no profile could be tried on."""

    namespace: str
    workload: str
    pod: str
    container: str
    reason: str

    @property
    def label(self) -> str:
        """As much of namespace, workload, pod and container as there is."""
        pod = f"pod {self.pod}" if self.pod else ""
        container = f"container {self.container}" if self.container else ""
        return " ".join(
            part for part in ("/".join(filter(None, (self.namespace, self.workload))), pod, container) if part
        )


@dataclass(frozen=True, slots=True)
class Node:
    """How well a node was watched."""

    name: str
    pool: str
    status: str
    events: int
    lost: int
    detail: str

    @property
    def watched(self) -> bool:
        """Whether everything that happened on it is in the report."""
        return self.status in ("ready", "ended") and not self.lost


@dataclass(frozen=True, slots=True)
class Variant:
    """The profile as it is on some of the nodes, for containers of one set of capabilities."""

    capabilities: str
    containerd: str
    arch: str
    nodes: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class View:
    """The whole report. Times as in the report, RFC 3339 or empty."""

    verdict: str
    mode: str
    profile: str
    source: str
    sha256: str
    cluster: tuple[tuple[str, str], ...]
    command: str
    """Of a try, as a shell takes it; empty for an audit."""
    outcome: str
    session: str
    started: str
    ended: str
    reasons: tuple[str, ...]
    """Of a try; those of an audit are at its workloads."""
    subjects: tuple[Subject, ...]
    unaudited: tuple[Unaudited, ...]
    nodes: tuple[Node, ...]
    variants: tuple[Variant, ...]
    notes: tuple[str, ...]
    next: tuple[str, ...]

    def findings(self) -> list[tuple[Subject, Finding]]:
        """All of them, worst first."""
        pairs = [(subject, finding) for subject in self.subjects for finding in subject.findings]
        return sorted(pairs, key=lambda pair: (pair[1].rank, pair[0].path))


def read(report: Mapping[str, Any]) -> View:
    """The view of a report of ``audit`` or ``try``."""
    profile, command = report["profile"], report.get("command")
    return View(
        verdict=text(report["verdict"]),
        mode=text(report["mode"]),
        profile=text(profile["name"]),
        source=text(profile["source"]),
        sha256=text(profile["sha256"]),
        cluster=tuple((text(key), text(value)) for key, value in report.get("cluster", {}).items()),
        command=text(shlex.join(command["argv"])) if command else "",
        outcome=_outcome(command) if command else "",
        session=text(report.get("session", "")),
        started=text(report["startedAt"]),
        ended=text(report["endedAt"]),
        reasons=texts(report.get("reasons", ())),
        subjects=_of_command(report) if command else _of_cluster(report),
        unaudited=tuple(_unaudited(row) for row in report.get("notAuditable", ())),
        nodes=tuple(_node(row) for row in report.get("nodes", ())),
        variants=tuple(_variant(row) for row in profile.get("variants", ())),
        notes=texts(report.get("notes", ())),
        next=texts(report.get("next", ())),
    )


def worst(findings: Iterable[Finding]) -> str:
    """The worst class among them; empty without any."""
    return min((one.finding_class for one in findings), key=_rank, default="")


def text(value: object) -> str:
    """Any value of a report as one line that neither a terminal, a browser nor a parser of XML can take for more."""
    return "" if value is None else printable(str(value), _LONGEST_TEXT)


def texts(values: Iterable[object]) -> tuple[str, ...]:
    """``text`` of each."""
    return tuple(text(value) for value in values)


def _rank(finding_class: str) -> int:
    return SEVERITY.index(finding_class) if finding_class in SEVERITY else len(SEVERITY)


def _of_command(report: Mapping[str, Any]) -> tuple[Subject, ...]:
    label = text(report["command"]["argv"][0].rpartition("/")[2]) or "command"
    findings = _merged(report["findings"])
    return (Subject("", label, text(report["verdict"]), texts(report["reasons"]), (), findings),)


def _of_cluster(report: Mapping[str, Any]) -> tuple[Subject, ...]:
    by_owner: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in report["findings"]:
        owner = row["workload"] or f"Pod/{row['pod']}"
        by_owner.setdefault((row["namespace"], owner), []).append(row)
    subjects = []
    for row in report["workloads"]:
        label = f"{row['kind']}/{row['name']}"
        subjects.append(_workload(row, label, by_owner.pop((row["namespace"], label), [])))
    return (*subjects, *(_stray(namespace, owner, rows) for (namespace, owner), rows in by_owner.items()))


def _workload(row: Mapping[str, Any], label: str, findings: Sequence[Mapping[str, Any]]) -> Subject:
    observed = row.get("observed", {})
    return Subject(
        namespace=text(row["namespace"]),
        label=text(label),
        verdict=text(row["verdict"]),
        reasons=texts(row["reasons"]),
        containers=texts(row["containers"]),
        findings=_merged(findings),
        seconds=observed.get("seconds"),
        pods=observed.get("pods"),
        restarts=observed.get("restarts"),
        treatment=text(row.get("treatment", "")),
        before=tuple((text(name), text(was)) for name, was in row.get("before", {}).items()),
    )


def _stray(namespace: str, label: str, rows: Sequence[Mapping[str, Any]]) -> Subject:
    """A pod that left findings and whose workload nobody knows any more: its other calls may be missing."""
    findings = _merged(rows)
    verdict = "blocked" if worst(findings) == "blocked" else "inconclusive"
    reason = "the workload of this pod is not known"
    containers = sorted({one.container for one in findings})
    return Subject(text(namespace), text(label), verdict, (reason,), tuple(containers), findings)


def _merged(rows: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(str(row.get(name, "")) for name in ("container", "comm", "syscall", "class", "action", "detail"))
        alike.setdefault(key, []).append(row)
    return tuple(sorted((_finding(same) for same in alike.values()), key=lambda one: one.rank))


def _finding(same: Sequence[Mapping[str, Any]]) -> Finding:
    first = same[0]
    return Finding(
        container=text(first["container"]),
        comm=text(first["comm"]),
        syscall=text(first["syscall"]),
        finding_class=text(first["class"]),
        action=text(first["action"]),
        count=sum(row["count"] for row in same),
        pods=tuple(sorted({text(row["pod"]) for row in same if row["pod"]})),
        nodes=tuple(sorted({text(node) for row in same for node in row["nodes"]})),
        first_seen=min((text(row["firstSeen"]) for row in same if row["firstSeen"]), default=""),
        last_seen=max(text(row["lastSeen"]) for row in same),
        advice=text(first["advice"]),
        detail=text(first.get("detail", "")),
    )


def _outcome(command: Mapping[str, Any]) -> str:
    by = f"by signal {command['signal']}" if command["signal"] else f"with exit code {command['exitCode']}"
    return text(f"ended {by}" if command["endedBy"] == "itself" else f"ended {by}, because of {command['endedBy']}")


def _unaudited(row: Mapping[str, Any]) -> Unaudited:
    return Unaudited(*(text(row.get(name, "")) for name in ("namespace", "workload", "pod", "container", "reason")))


def _node(row: Mapping[str, Any]) -> Node:
    name, pool, status, detail = (text(row[key]) for key in ("name", "pool", "status", "detail"))
    return Node(name, pool, status, row["events"], row["lost"], detail)


def _variant(row: Mapping[str, Any]) -> Variant:
    capabilities, containerd, arch, sha256 = (
        text(row.get(key, "")) for key in ("capabilities", "containerd", "arch", "sha256")
    )
    return Variant(capabilities, containerd, arch, texts(row.get("nodes", ())), sha256)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""SARIF 2.1.0 (OASIS), with what GitHub code scanning asks of it.

A rule is a syscall, a result is what one process did in one container of a workload. The file that a result points to
is the profile: that is what gets changed. Code scanning (docs.github.com, "SARIF support for code scanning") takes at
most 25,000 results of a run, each with a rule, a message, a location with a line, and a fingerprint that stays the same
from run to run.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from azext_seccomp.export.view import Finding, Node, Subject, View, worst
from azext_seccomp.profile.explain import explanation

Json = dict[str, Any]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

MAX_RESULTS = 25_000

_LEVELS = {"blocked": "error", "startup": "warning", "fallback": "note", "logged": "note"}
_MEANS = {
    "blocked": "the profile refuses it",
    "startup": "the container runtime makes this call before the program runs",
    "fallback": "the profile answers it with ENOSYS, for which programs have a fallback",
    "logged": "the profile lets it through and logs it",
}


def log_of(view: View) -> Json:
    """The log: one run."""
    pairs = view.findings()
    shown, left = pairs[:MAX_RESULTS], len(pairs) - MAX_RESULTS
    by_syscall: dict[str, list[Finding]] = {}
    for _, finding in shown:
        by_syscall.setdefault(finding.syscall, []).append(finding)
    index = {syscall: place for place, syscall in enumerate(by_syscall)}
    artifact = {"uri": _uri(view.source)}
    omitted = [f"{left} more results are left out: code scanning takes {MAX_RESULTS}."] if left > 0 else []
    run = {
        "tool": {"driver": {"name": "az aks seccomp", "rules": [_rule(*one) for one in by_syscall.items()]}},
        # What stands before the last slash is code scanning's category: runs of one profile replace each other.
        "automationDetails": {"id": f"az-aks-seccomp/{quote(view.profile, safe='')}/{view.session}"},
        "invocations": [_invocation(view, omitted)],
        "artifacts": [{"location": artifact, "roles": ["analysisTarget"], "hashes": {"sha-256": view.sha256}}],
        "results": [_result(subject, one, index[one.syscall], artifact) for subject, one in shown],
        "properties": {"verdict": view.verdict, "mode": view.mode, "cluster": dict(view.cluster)},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(syscall: str, findings: Sequence[Finding]) -> Json:
    known = explanation(syscall)
    advice = list(dict.fromkeys(one.advice for one in findings if one.advice))
    level = _LEVELS.get(worst(findings), "note")
    severity = {"error": "error", "warning": "warning", "note": "recommendation"}[level]
    return {
        "id": syscall,
        "name": syscall,
        "shortDescription": {"text": f"{syscall} under the seccomp profile"},
        "fullDescription": {"text": f"{known.does} {known.blocked}" if known else f"The system call {syscall}."},
        "help": {"text": " ".join(advice) or "Nothing to do."},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["seccomp"], "precision": "very-high", "problem.severity": severity},
    }


def _result(subject: Subject, finding: Finding, rule: int, artifact: Mapping[str, str]) -> Json:
    place = "/".join(part for part in (subject.path, finding.container, finding.comm) if part)
    return {
        "ruleId": finding.syscall,
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.finding_class, "note"),
        "message": {"text": _message(subject, finding)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {**artifact, "index": 0}, "region": {"startLine": 1}},
                "logicalLocations": [{"name": finding.comm, "fullyQualifiedName": place, "kind": "process"}],
            }
        ],
        "partialFingerprints": {"findingHash/v1": _fingerprint(subject, finding)},
        "occurrenceCount": max(finding.count, 1),
        "properties": {
            "class": finding.finding_class,
            "action": finding.action,
            "count": finding.count,
            "pods": list(finding.pods),
            "nodes": list(finding.nodes),
            "firstSeen": finding.first_seen,
            "lastSeen": finding.last_seen,
            **({"arguments": finding.detail} if finding.detail else {}),
        },
    }


def _message(subject: Subject, finding: Finding) -> str:
    times = "once" if finding.count == 1 else f"{finding.count} times"
    where = f" in container {finding.container}" if finding.container else ""
    detail = f" ({finding.detail})" if finding.detail else ""
    said = f"{finding.comm}{where} of {subject.path} called {finding.syscall}{detail} {times}"
    advice = f" {finding.advice}" if finding.advice else ""
    return _unlinked(f"{said}: {_MEANS.get(finding.finding_class, finding.finding_class)}.{advice}")


def _fingerprint(subject: Subject, finding: Finding) -> str:
    """The same for the same problem in every run: neither pods nor counts nor times are in it."""
    parts = (subject.path, finding.container, finding.comm, finding.syscall, finding.finding_class, finding.detail)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _invocation(view: View, omitted: Iterable[str]) -> Json:
    """An inconclusive run counts as unsuccessful: whoever sees no results must not take them for none."""
    times = {"startTimeUtc": view.started, "endTimeUtc": view.ended}
    inconclusive = [one for one in view.subjects if one.verdict == "inconclusive"]
    gaps = [f"{one.path}: {reason}." for one in inconclusive for reason in one.reasons]
    if view.verdict == "inconclusive" and not gaps:
        gaps = ["Nothing was audited."]
    nodes = [f"Node {one.name} was not watched completely: {_gap(one)}." for one in view.nodes if not one.watched]
    unaudited = [f"Not audited: {one.label}: {one.reason}." for one in view.unaudited]
    said = [("error", gaps), ("warning", [*nodes, *unaudited, *omitted]), ("note", view.notes)]
    return {
        "executionSuccessful": view.verdict != "inconclusive",
        **{key: value for key, value in times.items() if value},
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _unlinked(line)}} for level, lines in said for line in lines
        ],
    }


def _gap(node: Node) -> str:
    loss = f"at least {node.lost} events lost" if node.lost else ""
    return ", ".join(part for part in (node.status, loss, node.detail) if part)


def _unlinked(message: str) -> str:
    """Names come from containers and nodes; ``](`` in a message is a link (SARIF 3.11.6) and ``{0}`` a placeholder
    (3.11.5), whose braces are doubled where they are meant.
    """
    return message.replace("](", "] (").replace("{", "{{").replace("}", "}}")


def _uri(source: str) -> str:
    """A profile's path as code scanning matches it to a file of the repository. A word such as RuntimeDefault is a
    valid (relative) reference too, to a file that is not there.
    """
    path = source.replace("\\", "/")
    if path[1:3] == ":/":  # of a drive of Windows
        return f"file:///{path[:2]}{quote(path[2:], safe='/')}"
    while path.startswith("./"):
        path = path[2:]
    quoted = quote(path, safe="/") or "profile"
    return f"file://{quoted}" if path.startswith("/") else quoted

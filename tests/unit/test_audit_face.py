# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Tables of audits and cleanups, and the lines that an audit shows while it runs."""

from typing import Any

import pytest

from azext_seccomp._follow import TerminalListener
from azext_seccomp._format_audit import audit_table, cleanup_table
from azext_seccomp.gadget.event import Event, parse
from azext_seccomp.progress import Silent
from tests.unit.audit.test_session import event

FINDING = {
    "namespace": "shop", "workload": "Deployment/web", "pod": "web-1", "container": "app", "comm": "nginx",
    "syscall": "mkdir", "class": "blocked", "count": 3,
}  # fmt: skip


def report(**more: Any) -> dict[str, Any]:
    return {"verdict": "inconclusive", "findings": [], "workloads": [], **more}


def test_pods_of_a_workload_that_did_the_same_are_one_line_and_the_most_frequent_is_first() -> None:
    rows = audit_table(
        report(findings=[{**FINDING, "syscall": "bpf", "count": 4}, FINDING, {**FINDING, "pod": "web-2"}])
    )
    assert [(row["Syscall"], row["Count"]) for row in rows] == [("mkdir", 6), ("bpf", 4)]
    assert list(rows[0]) == ["Namespace", "Workload", "Container", "Process", "Syscall", "Class", "Count"]


def test_the_longest_names_fit_120_columns() -> None:
    long = dict.fromkeys(("namespace", "workload", "container", "comm", "syscall"), "x" * 253)
    (row,) = audit_table(report(findings=[{**FINDING, **long, "class": "fallback", "count": 10**9}]))
    assert sum(len(str(cell)) for cell in row.values()) + 2 * (len(row) - 1) <= 120


def test_a_finding_of_nobody_is_its_pods() -> None:
    (row,) = audit_table(report(findings=[{**FINDING, "workload": ""}]))
    assert row["Workload"] == "Pod/web-1"


def test_without_findings_the_workloads_are_shown() -> None:
    one = {"namespace": "shop", "kind": "Job", "name": "once", "verdict": "clean", "reasons": ["because"]}
    (row,) = audit_table(report(workloads=[one]))
    assert list(row.values()) == ["shop", "Job/once", "clean", "because"]


def test_without_anything_the_verdict_is_shown() -> None:
    (row,) = audit_table(report())
    assert row["Verdict"] == "inconclusive"


def test_cleanup() -> None:
    one = {"session": "s1", "kind": "File", "name": "a.json", "node": "n1", "status": "removed", "detail": "x" * 200}
    (row,) = cleanup_table([one])
    assert list(row) == ["Session", "Kind", "Name", "Node", "Status", "Detail"]
    assert len(row["Detail"]) == 70


@pytest.mark.parametrize("follow", [True, False])
def test_events_are_shown_when_they_are_followed(follow: bool, capsys: pytest.CaptureFixture[str]) -> None:
    listener = TerminalListener(Silent(), follow=follow, watches_only=False, agreed=False)
    found = parse(event("web"), "n1")
    assert isinstance(found, Event)
    for _ in range(2):
        listener.event(found)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = [line.split() for line in shown.err.splitlines()]
    columns = ["NODE", "NAMESPACE", "POD", "CONTAINER", "COMM", "PID", "TID", "CODE", "SYSCALL"]
    values = ["n1", "shop", "web", "app", "sh", "1", "0", "SECCOMP_RET_LOG", "mkdir"]
    assert lines == ([columns, values, values] if follow else [])


@pytest.mark.parametrize("watches_only", [True, False])
def test_the_value_to_use_is_said_to_whom_needs_it(
    watches_only: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azext_seccomp._follow.logger.propagate", True)
    listener = TerminalListener(Silent(), follow=False, watches_only=watches_only, agreed=False)
    listener.ready("aks-seccomp/audit/x.json", 60)
    assert ("localhostProfile: aks-seccomp/audit/x.json" in caplog.text) == watches_only

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From findings to verdicts."""

import pytest

from azext_seccomp.audit.aggregate import Finding, Findings
from azext_seccomp.audit.verdict import (
    FindingClass,
    NodeCoverage,
    Ruled,
    Ruling,
    Verdict,
    Workload,
    gaps,
    judge,
    overall,
)
from azext_seccomp.gadget.event import Event

WEB = Workload("default", "Deployment", "web", ("web",), frozenset({"node1"}))
GOOD = NodeCoverage("node1", "pool", "ended")


def ruled(finding_class: FindingClass, syscall: str = "mount", comm: str = "sh") -> Ruled:
    finding = Finding("default", "web-0", "web", comm, syscall, "SECCOMP_RET_LOG", 1, 0, 0, ("node1",))
    return Ruled(finding, Ruling(finding_class, "SCMP_ACT_ERRNO"), WEB)


def unseen(workload: Workload, *nodes: NodeCoverage, findings: Findings | None = None) -> list[str]:
    return gaps(workload, nodes, findings or Findings(), lambda namespace, pod: WEB if pod == "web-0" else None)


@pytest.mark.parametrize(
    ("classes", "missing", "expected"),
    [
        ([], [], "clean"),
        (["logged"], [], "clean"),
        (["fallback", "logged"], [], "fallback"),
        (["blocked", "fallback"], [], "blocked"),
        (["blocked"], ["lost"], "blocked"),
        (["fallback"], ["lost"], "inconclusive"),
        ([], ["lost"], "inconclusive"),
    ],
)
def test_a_refusal_is_certain_and_everything_else_needs_a_complete_view(
    classes: list[FindingClass], missing: list[str], expected: Verdict
) -> None:
    judgement = judge([ruled(one) for one in classes], missing)
    assert judgement.verdict == expected
    assert set(missing) <= set(judgement.reasons)


def test_the_reasons_name_the_syscalls_but_not_a_hundred_of_them() -> None:
    (reason,) = judge([ruled("blocked", f"s{n:03}") for n in range(100)], []).reasons
    assert reason == "the profile would refuse s000, s001, s002, s003, s004, s005, s006, s007 and 92 more"


def test_calls_of_the_runtime_do_not_count_as_the_applications_but_are_told() -> None:
    judgement = judge([ruled("blocked", "setns", comm="runc:[2:INIT]")], [])
    assert judgement.verdict == "inconclusive"
    assert judgement.reasons == ("the profile would refuse setns to runc, so the container may not start",)
    assert judge([ruled("logged", comm="runc:[2:INIT]")], []).verdict == "clean"
    assert ruled("blocked", comm="runc:[2:INIT]").finding_class == "startup"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (NodeCoverage("node1", "pool", "failed", detail="no BTF"), "node node1 was not watched: no BTF"),
        (NodeCoverage("node1", "pool", "skipped"), "node node1 was not watched"),
        (NodeCoverage("node2", "pool", "ended"), "node node1 was not watched"),
        (NodeCoverage("node1", "pool", "ended", lost=1), "node node1 lost at least 1 event"),
        (NodeCoverage("node1", "pool", "ended", lost=7), "node node1 lost at least 7 events"),
    ],
)
def test_a_node_that_was_not_watched_well_is_a_gap(node: NodeCoverage, reason: str) -> None:
    assert unseen(WEB, node) == [reason]


def test_a_node_where_the_workload_did_not_run_is_none() -> None:
    assert unseen(WEB, GOOD, NodeCoverage("node2", "pool", "failed", lost=5)) == []


def test_a_workload_that_was_never_seen_running_is_not_clean() -> None:
    idle = Workload("default", "Deployment", "idle")
    assert judge([], unseen(idle, GOOD)).verdict == "inconclusive"


def test_what_the_caller_knows_of_the_limits_counts() -> None:
    limited = Workload(
        "default", "Job", "j", nodes=frozenset({"node1"}), reasons=("its pods started before the audit",)
    )
    assert unseen(limited, GOOD) == ["its pods started before the audit"]


def test_findings_past_the_bound_spoil_the_result_of_their_own_workload() -> None:
    findings = Findings(per_container=1)
    for pod in ("web-0", "other"):
        for number in range(5):
            findings.add(
                Event(1, "node1", "default", pod, "c", "sh", 1, 1, "LOG", 0, f"syscall_{number}", number, "", 0, "")
            )
    assert unseen(WEB, GOOD, findings=findings) == ["3 events went past the number of findings that are kept"]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["clean", "clean"], "clean"),
        (["clean", "fallback"], "fallback"),
        (["fallback", "inconclusive"], "inconclusive"),
        (["clean", "inconclusive", "blocked"], "blocked"),
        ([], "inconclusive"),
    ],
)
def test_the_whole_is_as_bad_as_its_worst_part(verdicts: list[Verdict], expected: Verdict) -> None:
    assert overall(verdicts) == expected

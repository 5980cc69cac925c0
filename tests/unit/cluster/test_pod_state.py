# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from typing import Any

import pytest

from azext_seccomp.cluster.pod_state import PodState, read_state


def pod(phase: str, state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [] if state is None else [{"name": "c", "state": state}]
    return {"metadata": {"name": "p"}, "status": {"phase": phase, "containerStatuses": containers, **status}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"metadata": {}}, PodState("waiting")),
        (pod("Pending"), PodState("waiting")),
        (pod("Pending", waiting("ContainerCreating")), PodState("waiting", "ContainerCreating")),
        (pod("Pending", waiting("ErrImagePull", "not found")), PodState("waiting", "ErrImagePull", "not found")),
        (pod("Running", {"running": {"startedAt": "x"}}), PodState("running")),
        (
            pod(
                "Pending",
                conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2"}],
            ),
            PodState("waiting", "Unschedulable", "0/2"),
        ),
        (
            pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
            PodState("failed", "OutOfcpu", "Node didn't have enough resource: cpu"),
        ),
        (
            pod("Failed", reason="NodeAffinity", message="Predicate NodeAffinity failed"),
            PodState("failed", "NodeAffinity", "Predicate NodeAffinity failed"),
        ),
        (
            pod(
                "Failed",
                {"terminated": {"exitCode": 137, "reason": "Error"}},
                reason="DeadlineExceeded",
                message="too long",
            ),
            PodState("failed", "DeadlineExceeded", "too long", 137),
        ),
        (
            pod("Failed", reason="Evicted", message="The node was low on resource: memory."),
            PodState("failed", "Evicted", "The node was low on resource: memory."),
        ),
        (
            pod("Failed", {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}),
            PodState("failed", "StartError", "no such file", 128, "no such file"),
        ),
        (
            pod("Failed", {"terminated": {"exitCode": 3, "reason": "Error"}}),
            PodState("failed", "Error", "exit code 3", 3),
        ),
        (
            pod("Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed", "message": "line 1\nline 2\n"}}),
            PodState("succeeded", exit_code=0, termination_message="line 1\nline 2\n"),
        ),
        (
            pod("Running", {"terminated": {"exitCode": 0, "message": "done"}}),
            PodState("succeeded", exit_code=0, termination_message="done"),
        ),
    ],
)
def test_reads_how_a_pod_is_doing(given: dict[str, Any], expected: PodState) -> None:
    assert read_state(given) == expected


def test_a_deleted_pod_keeps_what_its_container_said() -> None:
    ended = pod("Succeeded", {"terminated": {"exitCode": 0, "message": "done"}})
    assert read_state(ended, gone=True) == PodState("gone", exit_code=0, termination_message="done")


def test_a_pod_deleted_while_it_waited_says_what_for() -> None:
    state = read_state(pod("Pending", waiting("ErrImagePull", "not found")), gone=True)
    assert (state.phase, state.why()) == ("gone", "Deleted: ErrImagePull: not found")


def test_words_of_a_node_are_bounded_and_fit_for_a_terminal() -> None:
    hostile = "\x1b]0;owned\x07" + "x" * 100_000
    state = read_state(pod("Failed", {"terminated": {"exitCode": 1, "reason": hostile, "message": hostile}}))
    assert state.why().isprintable()
    assert len(state.why()) < 700
    assert len(state.termination_message) <= 16 * 1024

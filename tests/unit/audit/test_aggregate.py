# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Counting events within bounds."""

import itertools
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.audit.aggregate import OTHER_COMMS, Findings
from azext_seccomp.gadget.event import Event


def event(**changed: Any) -> Event:
    fields: dict[str, Any] = {
        "timestamp_ns": 5,
        "node": "node1",
        "namespace": "default",
        "pod": "web-0",
        "container": "web",
        "comm": "sh",
        "pid": 1,
        "tid": 1,
        "code": "SECCOMP_RET_LOG",
        "code_raw": 2147221504,
        "syscall": "mkdir",
        "syscall_nr": 83,
        "container_id": "",
        "mntns_id": 0,
        "image": "",
    }
    return Event(**{**fields, **changed})


def counted(*events: Event, **bounds: int) -> Findings:
    findings = Findings(**bounds)
    for one in events:
        findings.add(one)
    return findings


names = st.sampled_from(["a", "b"])
events = st.builds(
    lambda **fields: event(**fields),
    timestamp_ns=st.integers(0, 20),
    node=names,
    namespace=names,
    pod=names,
    container=names,
    comm=names,
    syscall=names,
    code=names,
)


@given(st.lists(events))
def test_counts_are_exact(seen: list[Event]) -> None:
    expected = Counter((e.namespace, e.pod, e.container, e.comm, e.syscall, e.code) for e in seen)
    found = counted(*seen).all()
    assert {(f.namespace, f.pod, f.container, f.comm, f.syscall, f.code): f.count for f in found} == dict(expected)
    assert [f.count for f in found] == sorted((f.count for f in found), reverse=True)


@given(st.lists(events, min_size=1))
def test_the_order_of_events_does_not_matter(seen: list[Event]) -> None:
    assert counted(*seen).all() == counted(*reversed(seen)).all()


def test_first_and_last_are_those_of_known_times_and_nodes_are_merged() -> None:
    (found,) = counted(
        *(event(timestamp_ns=t, node=n) for t, n in ((0, "b"), (7, "a"), (3, "b"), (9, "a"), (0, "c")))
    ).all()
    assert (found.first_seen_ns, found.last_seen_ns) == (3, 9)
    assert found.nodes == ("a", "b", "c")


def test_the_number_is_kept_where_one_name_stands_for_two() -> None:
    """``read`` is number 0 on amd64 and 63 on arm64; a 32-bit program's number 0 (restart_syscall) is named so too."""
    numbers = [0, 63, 0, -1]
    found = counted(*(event(syscall="read", syscall_nr=number, node=f"n{number}") for number in numbers)).all()
    assert [(one.syscall_number, one.count, one.nodes) for one in found] == [
        (0, 2, ("n0",)),
        (-1, 1, ("n-1",)),
        (63, 1, ("n63",)),
    ]


def test_a_time_that_is_never_given_stays_unknown() -> None:
    (found,) = counted(event(timestamp_ns=0), event(timestamp_ns=0)).all()
    assert (found.first_seen_ns, found.last_seen_ns) == (0, 0)


def test_calls_of_the_runtime_are_told_apart() -> None:
    runtime, application = sorted(counted(event(comm="runc:[2:INIT]"), event()).all(), key=lambda one: one.comm)
    assert (runtime.of_runtime, application.of_runtime) == (True, False)


def test_a_process_that_keeps_changing_its_name_is_folded_and_its_syscalls_stay_exact() -> None:
    findings = counted(*(event(comm=f"c{n}", syscall=f"s{n % 3}") for n in range(100)), per_container=10)
    by_syscall: Counter[str] = Counter()
    for found in findings.all():
        by_syscall[found.syscall] += found.count
    assert by_syscall == {"s0": 34, "s1": 33, "s2": 33}
    assert sum(found.comm == OTHER_COMMS for found in findings.all()) == 3
    assert len(findings) == 13
    assert not findings.overflow


def test_a_container_that_asks_for_every_syscall_number_overflows_alone() -> None:
    hostile = (event(container="hostile", syscall=f"syscall_{n}") for n in range(100))
    findings = counted(*hostile, *(event() for _ in range(5)), per_container=10)
    assert findings.overflow == {("default", "web-0", "hostile"): 80}
    assert sum(found.count for found in findings.all()) + 80 == findings.events == 105
    assert any(found.container == "web" and found.count == 5 for found in findings.all())


def test_the_number_of_findings_is_bounded_over_all_containers() -> None:
    pods = (event(pod=f"p{n}") for n in range(30))
    findings = counted(*pods, limit=10)
    assert len(findings) == 10
    assert len(findings.overflow) == 10
    assert findings.unattributed_overflow == 10


def test_known_findings_are_counted_when_the_bound_is_reached() -> None:
    known = event()
    findings = counted(known, *(event(pod=f"p{n}") for n in range(30)), *itertools.repeat(known, 9), limit=10)
    assert findings.all()[0].count == 10

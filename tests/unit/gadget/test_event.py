# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Lines of the gadget, versions v0.31 to v0.55, and lines that somebody made up to hurt."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.gadget.event import MAX_LINE, Event, parse
from azext_seccomp.gadget.notices import Notice

# What the documentation of the gadget and its sources give for v0.52 to v0.55.
CURRENT: dict[str, Any] = {
    "code": "SECCOMP_RET_LOG",
    "code_raw": 2147221504,
    "k8s": {
        "containerName": "test-container",
        "hostnetwork": False,
        "namespace": "default",
        "node": "",
        "owner": {"kind": "", "name": ""},
        "podLabels": "",
        "podName": "default-pod",
    },
    "proc": {
        "comm": "unshare",
        "creds": {"gid": 0, "group": "root", "uid": 0, "user": "root"},
        "mntns_id": 4026534388,
        "parent": {"comm": "sh", "pid": 37591, "tid": 37591},
        "pid": 39733,
        "tid": 39734,
    },
    "runtime": {
        "containerId": "ab" * 32,
        "containerImageDigest": "sha256:" + "0" * 64,
        "containerImageName": "docker.io/library/busybox:1.36",
        "containerName": "runtime-name",
        "containerPid": 37591,
        "containerStartedAt": 1755777600000000000,
        "runtimeName": "containerd",
    },
    "syscall": "SYS_UNSHARE",
    "syscall_raw": 272,
    "timestamp": "2026-08-21T10:00:00.123456789Z",
    "timestamp_raw": 1787306400123456789,
    "ustack": {"addresses": "", "stack_id": 0, "symbols": ""},
}


def line(**changed: Any) -> bytes:
    return json.dumps({**CURRENT, **changed}).encode()


def event(found: Event | Notice | None) -> Event:
    assert isinstance(found, Event), found
    return found


def test_a_line_of_today_is_read_in_full() -> None:
    assert parse(line(), "node1") == Event(
        timestamp_ns=1787306400123456789,
        node="node1",
        namespace="default",
        pod="default-pod",
        container="test-container",
        comm="unshare",
        pid=39733,
        tid=39734,
        code="SECCOMP_RET_LOG",
        code_raw=2147221504,
        syscall="unshare",
        syscall_nr=272,
        container_id="ab" * 32,
        mntns_id=4026534388,
        image="docker.io/library/busybox:1.36",
    )


def test_a_line_of_v0_31_has_the_process_at_the_top() -> None:
    flat = {key: value for key, value in CURRENT.items() if key not in ("proc", "ustack")}
    flat |= {"comm": "mkdir", "pid": 7, "tid": 8, "mntns_id": 9, "uid": 0, "gid": 0}
    found = event(parse(json.dumps(flat).encode(), "node1"))
    assert (found.comm, found.pid, found.tid, found.mntns_id) == ("mkdir", 7, 8, 9)


@pytest.mark.parametrize("labels", [None, "", "app=web,tier=front", {"app": "web"}, 3])
def test_the_labels_may_have_any_shape(labels: object) -> None:
    assert event(parse(line(k8s={**CURRENT["k8s"], "podLabels": labels}), "n")).pod == "default-pod"


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("SYS_UNSHARE", 272, "unshare"),
        ("unshare", 272, "unshare"),
        ("SYS_UNKNOWN", 462, "syscall_462"),
        ("", 500, "syscall_500"),
        ("SYS_evil\x1b[2J", 3, "syscall_3"),
        ("SYS_" + "A" * 65, 3, "syscall_3"),
        ("SYS_UNKNOWN", None, "unknown"),
    ],
)
def test_names_of_syscalls(name: str, number: int | None, expected: str) -> None:
    found = event(parse(line(syscall=name, syscall_raw=number), "n"))
    assert found.syscall == expected
    assert found.syscall_nr == (-1 if number is None else number)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("SECCOMP_RET_ERRNO", 327680, "SECCOMP_RET_ERRNO"),
        ("UNKNOWN", 327681, "SECCOMP_RET_ERRNO"),
        ("", 0, "SECCOMP_RET_KILL_THREAD"),
        ("", 2147483648, "SECCOMP_RET_KILL_PROCESS"),
        ("UNKNOWN", 0x12340000, "UNKNOWN"),
        ("\x1b]0;title\x07", None, "UNKNOWN"),
    ],
)
def test_names_of_actions(name: str, raw: int | None, expected: str) -> None:
    assert event(parse(line(code=name, code_raw=raw), "n")).code == expected


def test_the_time_is_read_from_its_text_when_the_number_is_missing() -> None:
    without = {key: value for key, value in CURRENT.items() if key != "timestamp_raw"}
    assert event(parse(json.dumps(without).encode(), "n")).timestamp_ns == 1787306400123456789
    assert event(parse(line(timestamp_raw=0, timestamp="yesterday"), "n")).timestamp_ns == 0


def test_the_container_name_of_the_runtime_serves_when_kubernetes_gave_none() -> None:
    assert event(parse(line(k8s=None), "n")).container == "runtime-name"
    assert event(parse(line(k8s=None, runtime=None), "n")).container == ""


def test_control_characters_of_a_process_name_do_not_get_through() -> None:
    found = event(parse(line(proc={"comm": "\x1b[31mred\x07\u202e"}), "n"))
    assert found.comm.isprintable()
    assert "red" in found.comm


def test_a_process_name_that_is_no_utf8_does_not_hide_its_call() -> None:
    found = event(parse(line().replace(b"unshare", b"un\xff\xfeare"), "n"))
    assert (found.syscall, found.comm[:2]) == ("unshare", "un")


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"{}",
        line()[:-1],
        line(pid="1"),
        line(k8s=[]),
        line(proc={"comm": None}),
        line(timestamp_raw=-1),
        line(timestamp_raw=2**63),
        line(syscall_raw=1.5),
        line(syscall={"x": 1}),
        line().replace(b'"unshare"', b'"\\ud800"'),
        b'{"syscall":"SYS_READ","deep":' + b"[" * 60_000,
        line(extra="x" * MAX_LINE),
    ],
)
def test_what_is_no_event_counts_as_a_lost_one(broken: bytes) -> None:
    found = parse(broken, "n")
    assert isinstance(found, Notice)
    assert (found.kind, found.lost) == ("lost", 1)
    assert found.text.isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(noise: bytes) -> None:
    assert isinstance(parse(noise, "n"), Event | Notice | None)
    assert isinstance(parse(b"{" + noise, "n"), Event | Notice)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CURRENT, "comm", "pid", "mntns_id"]), _json), st.booleans())
def test_any_value_in_any_field_is_answered(fields: dict[str, Any], whole: bool) -> None:
    found = parse(json.dumps({**(CURRENT if whole else {}), **fields}).encode(), "n")
    assert isinstance(found, Event | Notice)
    if isinstance(found, Event):
        shown = (found.namespace, found.pod, found.container, found.comm, found.code, found.syscall, found.image)
        assert all(text.isprintable() and len(text) <= 512 for text in shown)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How many events per second one core turns from log lines into findings, and how much memory that takes.

    python benchmarks/events.py [EVENTS …]        default: 100000 1000000

Each size runs in a process of its own; peak memory is that of the process, the interpreter included. It must not grow
with the number of events. The last line does the same work with the standard library's json, for comparison.
"""

import itertools
import json
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from azext_seccomp.audit.aggregate import Findings
from azext_seccomp.gadget.event import Event, parse
from azext_seccomp.gadget.resume import ResumeWindow

SIZES = (100_000, 1_000_000)
PODS, COMMS, SYSCALLS = 50, 4, 10
LINES_PER_SECOND = 10_000  # of log time: how many lines share the second of their timestamps

# A line of the gadget v0.55, shortened nowhere.
TEMPLATE = json.dumps(
    {
        "code": "SECCOMP_RET_LOG",
        "code_raw": 2147221504,
        "k8s": {
            "containerName": "app",
            "hostnetwork": False,
            "namespace": "default",
            "node": "",
            "owner": {"kind": "", "name": ""},
            "podLabels": "app=web,pod-template-hash=6d8f7b9c5",
            "podName": "web-6d8f7b9c5-%(pod)05d",
        },
        "proc": {
            "comm": "worker-%(comm)d",
            "creds": {"gid": 0, "group": "root", "uid": 0, "user": "root"},
            "mntns_id": 4026534388,
            "parent": {"comm": "sh", "pid": 37591, "tid": 37591},
            "pid": 39733,
            "tid": 39733,
        },
        "runtime": {
            "containerId": "ab" * 32,
            "containerImageDigest": "sha256:" + "cd" * 32,
            "containerImageName": "docker.io/library/busybox:1.36",
            "containerName": "app",
            "containerPid": 37591,
            "containerStartedAt": 1755777600000000000,
            "runtimeName": "containerd",
        },
        "syscall": "SYS_CALL%(syscall)d",
        "syscall_raw": 272,
        "timestamp": "2026-08-21T10:00:00.123456789Z",
        "timestamp_raw": 1755770400123456789,
        "ustack": {
            **dict.fromkeys(("addresses", "buildid", "symbols"), ""),
            **dict.fromkeys(("base_addr_hash", "boot_timestamp", "inode", "major", "minor", "mtime_nsec"), 0),
            **dict.fromkeys(("mtime_sec", "otel_correlation_id", "pid_level0", "pid_level1", "stack_id"), 0),
        },
    },
    separators=(",", ":"),
)


class Figures(NamedTuple):
    """What one run took: seconds of CPU, peak memory in bytes, findings at its end."""

    seconds: float
    peak: int
    findings: int


def log(events: int) -> Iterator[list[bytes]]:
    """The lines of a log, in pieces as a connection brings them, made outside of the measured time."""
    bodies = [
        (TEMPLATE % {"pod": pod, "comm": comm, "syscall": syscall}).encode()
        for pod, comm, syscall in itertools.product(range(PODS), range(COMMS), range(SYSCALLS))
    ]
    piece = 1000
    for start in range(0, events, piece):
        yield [
            b"2026-08-21T10:%02d:%02d.%09dZ " % (*divmod(number // LINES_PER_SECOND, 60), number % LINES_PER_SECOND)
            + bodies[number % len(bodies)]
            for number in range(start, min(start + piece, events))
        ]


def ours(events: int) -> Figures:
    """Log lines through resume window, parser and aggregation."""
    findings = Findings()
    window = ResumeWindow()
    window.resume()
    seconds = 0.0
    for lines in log(events):
        begun = time.process_time()
        for line in lines:
            text = window.admit(line)
            found = None if text is None else parse(text, "node1")
            if isinstance(found, Event):
                findings.add(found)
        seconds += time.process_time() - begun
    if findings.events != events:
        raise SystemExit(f"{events - findings.events} events were not counted")
    return Figures(seconds, peak_memory(), len(findings))


def standard_library(events: int) -> Figures:
    """The same counts by ``json.loads`` and a Counter, without any of the checks."""
    counts: Counter[tuple[str, ...]] = Counter()
    seconds = 0.0
    for lines in log(events):
        begun = time.process_time()
        for line in lines:
            fields = json.loads(line.partition(b" ")[2])
            k8s = fields["k8s"]
            key = (k8s["namespace"], k8s["podName"], k8s["containerName"], fields["proc"]["comm"], fields["syscall"])
            counts[key] += 1
        seconds += time.process_time() - begun
    return Figures(seconds, peak_memory(), len(counts))


def peak_memory() -> int:
    """Of this process, in bytes (Linux counts kibibytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(way: Callable[[int], Figures], events: int) -> Figures:
    """Run in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(way, (events,))


def main(sizes: list[int]) -> None:
    """Print one line per size, then the ratios."""
    tell = sys.stdout.write
    tell(f"{'events':>10} {'findings':>9} {'events/s':>10} {'peak MiB':>9}\n")
    runs = [(size, measure(ours, size)) for size in sizes]
    for size, figures in runs:
        tell(f"{size:>10} {figures.findings:>9} {size / figures.seconds:>10.0f} {figures.peak / 2**20:>9.1f}\n")
    (smallest, first), (largest, last) = runs[0], runs[-1]
    tell(f"peak memory at {largest} events / at {smallest}: {last.peak / first.peak:.3f}\n")
    plain = measure(standard_library, smallest)
    tell(f"events/s / those of the standard library's json: {plain.seconds / first.seconds:.2f}\n")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(SIZES))

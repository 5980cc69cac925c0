# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Events, counted as they arrive: memory grows with the number of different findings, never with the number of events.

A process chooses its own name and may ask for any syscall number, so both are bounded per container: past the bound
names are folded into one (the syscalls stay exact), and past twice the bound events are only counted. A container
that does so spoils its own result, not that of others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from azext_seccomp.gadget.event import Event

MAX_FINDINGS = 50_000  # about 40 MB
MAX_PER_CONTAINER = 5_000
OTHER_COMMS = "(others)"

# The name that runc gives its process between loading the filter and the exec of the container's program (runc,
# libcontainer/nsenter).
RUNTIME_COMM_PREFIX = "runc:["

ContainerKey = tuple[str, str, str]
"""Namespace, pod, container."""

_Key = tuple[str, str, str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """One container, process name, syscall and recorded action; how often and when it was seen.

    Times are nanoseconds since 1970, 0 when unknown. ``syscall_number`` is what the kernel saw, -1 when unknown. The
    gadget names it as the node's own architecture does and tells no other, so for a 32-bit program only the number is
    right: nodes of two architectures have one finding each.
    """

    namespace: str
    pod: str
    container: str
    comm: str
    syscall: str
    code: str
    count: int
    first_seen_ns: int
    last_seen_ns: int
    nodes: tuple[str, ...]
    syscall_number: int = -1

    @property
    def of_runtime(self) -> bool:
        """Whether the call was the container runtime's own, made while it started the container."""
        return self.comm.startswith(RUNTIME_COMM_PREFIX)


def _most_frequent_first(one: Finding) -> tuple[int, str, str, str, str, str, str, int]:
    return (-one.count, one.namespace, one.pod, one.container, one.comm, one.syscall, one.code, one.syscall_number)


class _Tally:
    __slots__ = ("count", "first", "last", "node", "nodes")

    def __init__(self, event: Event) -> None:
        self.count = 0
        self.first = event.timestamp_ns
        self.last = event.timestamp_ns
        self.node = event.node
        self.nodes = {event.node}


class Findings:
    """What was seen so far. Not locked: one thread adds.

    :param limit: how many different findings are kept in all.
    :param per_container: how many of one container before process names are folded.
    """

    def __init__(self, limit: int = MAX_FINDINGS, per_container: int = MAX_PER_CONTAINER) -> None:
        self._limit = limit
        self._per_container = per_container
        self._tallies: dict[_Key, _Tally] = {}
        self._sizes: dict[ContainerKey, int] = {}
        self._overflow: dict[ContainerKey, int] = {}
        self.events = 0
        """All events that were added, those past the bounds included."""
        self.unattributed_overflow = 0
        """Events past the bounds of which not even the container is kept."""

    def __len__(self) -> int:
        return len(self._tallies)

    @property
    def overflow(self) -> Mapping[ContainerKey, int]:
        """Events that were counted but are in no finding, by container: their findings are not complete."""
        return self._overflow

    def add(self, event: Event) -> None:
        """Count one event."""
        self.events += 1
        key = (event.namespace, event.pod, event.container, event.comm, event.syscall, event.code, event.syscall_nr)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._admit(key, event)
            if tally is None:
                return
        tally.count += 1
        seen = event.timestamp_ns
        if seen > tally.last:
            tally.last = seen
        if seen and (seen < tally.first or not tally.first):
            tally.first = seen
        if event.node != tally.node:
            tally.node = event.node
            tally.nodes.add(event.node)

    def all(self) -> list[Finding]:
        """Every finding, the most frequent first."""
        found = [
            Finding(*key[:6], tally.count, tally.first, tally.last, tuple(sorted(tally.nodes)), key[6])
            for key, tally in self._tallies.items()
        ]
        return sorted(found, key=_most_frequent_first)

    def keep(self, wanted: Callable[[ContainerKey], bool]) -> None:
        """Forget the findings of all other containers; ``events`` stays what it is."""
        self._tallies = {key: tally for key, tally in self._tallies.items() if wanted(key[:3])}
        self._overflow = {key: count for key, count in self._overflow.items() if wanted(key)}
        self._sizes = {key: size for key, size in self._sizes.items() if wanted(key)}

    def _admit(self, key: _Key, event: Event) -> _Tally | None:
        container = key[:3]
        size = self._sizes.get(container, 0)
        if size >= self._per_container:
            key = (*container, OTHER_COMMS, *key[4:])
            known = self._tallies.get(key)
            if known is not None:
                return known
        if size >= 2 * self._per_container or len(self._tallies) >= self._limit:
            self._count_overflow(container)
            return None
        self._sizes[container] = size + 1
        tally = self._tallies[key] = _Tally(event)
        return tally

    def _count_overflow(self, container: ContainerKey) -> None:
        if container in self._overflow or len(self._overflow) < self._limit:
            self._overflow[container] = self._overflow.get(container, 0) + 1
        else:
            self.unattributed_overflow += 1

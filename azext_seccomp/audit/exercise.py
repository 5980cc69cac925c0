# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where the pods of an audit come from: the user's own hands, a manifest, or workloads that are there already."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from azext_seccomp.audit.journal import JournalObject
from azext_seccomp.audit.plan import PlannedContainer, Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.report import NotAuditable
from azext_seccomp.audit.verdict import Workload
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.owner import Owner

Pump = Callable[[float], None]
"""Takes in events for so many seconds: what waits while it is watched calls it instead of sleeping."""

Record = Callable[[tuple[JournalObject, ...]], None]
"""Writes into the journal what has been created."""


def unprepared(_: Mapping[str, Any]) -> str:
    """The ``PathOf`` of an exercise before ``prepare``."""
    raise LookupError("prepare comes first")


class Exercise:
    """What makes pods run under the audit profiles. This one leaves it to the user, who is shown the value for
    ``localhostProfile``; the others override what they do themselves.

    :param selection: the pods that it makes run.
    """

    makes = False
    """Whether the session makes them run. Then its profiles have a directory of their own, so that sessions never share
    a file."""

    anywhere = False
    """Whether their pods may land on any node, so that no node may lack a profile."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    @property
    def selection(self) -> Selection:
        """The pods that are watched."""
        return self._selection

    def containers(self) -> Iterable[Mapping[str, Any]]:
        """The containers that are going to get a profile."""
        return ()

    def prepare(self, profiles: ProfileSet) -> None:
        """Ask for everything that can be asked for before anything is made.

        :raises SeccompError: something would be refused.
        """

    def planned(self) -> list[PlannedContainer]:
        """What is going to happen to workloads that are there, for the user to agree."""
        return []

    def remarks(self) -> list[str]:
        """What else the user should know before it happens: whole sentences."""
        return []

    def objects(self) -> tuple[JournalObject, ...]:
        """What is going to be created, for the journal."""
        return ()

    def workloads(self) -> tuple[FormerWorkload, ...]:
        """What is going to be changed, for the journal."""
        return ()

    def stand_ins(self) -> Mapping[Owner, Owner]:
        """Workloads that are made for the audit, with those that they stand for."""
        return {}

    def begin(self, pump: Pump, record: Record) -> int | None:
        """Make them run.

        :return: how many pods have to end for the watching to be over; None to watch all the time.
        """
        return None

    def tend(self) -> bool:
        """Look after it while it is watched; False when there is nothing left to watch."""
        return True

    def end(self) -> None:
        """The watching is over, or broken off: take a last look at what has been watched."""

    def described(self, seen: Sequence[Workload]) -> list[Workload]:
        """What was seen, with what this knows beside: what was done, what limits the result, what was never seen."""
        return list(seen)

    def confined_before(self) -> list[str]:
        """The workloads that an audit profile confines less than what they had."""
        return []

    def not_auditable(self) -> list[NotAuditable]:
        """What was left out from the beginning."""
        return []

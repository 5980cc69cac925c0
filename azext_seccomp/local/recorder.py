# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Calls that the profile denies, counted by who made them. Memory grows with different calls, not with calls."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from azext_seccomp.local.handover import MARK
from azext_seccomp.local.kernel import Notification
from azext_seccomp.profile.evaluate import Decision

# The only call that the hand-over makes of its own accord once it is under the filter.
EXEC = "execve"

# A process may give itself any name at any time; beyond this many different calls they are counted together.
MOST_DIFFERENT = 10_000


@dataclass(frozen=True, slots=True)
class Denied:
    """One kind of denied call: which process name made which call, and what the profile does with it."""

    comm: str
    syscall: str
    architecture: str
    decision: Decision
    detail: str


@dataclass(slots=True)
class Tally:
    """How often, and when (seconds since the epoch)."""

    count: int
    first: float
    last: float


class Recorder:
    """Counts denied calls."""

    def __init__(self, describe: Callable[[str, tuple[int, ...]], str], clock: Callable[[], float] = time.time) -> None:
        """
        :param describe: names what in the arguments of a call matters ("CLONE_NEWUSER"), or gives an empty text.
        :param clock: seconds since the epoch.
        """
        self._describe = describe
        self._clock = clock
        self.denied: dict[Denied, Tally] = {}
        self.startup: dict[Denied, Tally] = {}
        self.uncounted = 0

    def add(self, comm: str, syscall: str, notification: Notification, decision: Decision) -> None:
        """Count one call. Of the hand-over's calls only its exec is a container's too, as part of starting it."""
        tallies = self.denied
        if comm == MARK:
            if syscall != EXEC:
                return
            tallies = self.startup
        key = Denied(comm, syscall, notification.architecture, decision, self._describe(syscall, notification.args))
        tally = tallies.get(key)
        if tally is not None:
            tally.count += 1
            tally.last = self._clock()
        elif len(tallies) < MOST_DIFFERENT:
            now = self._clock()
            tallies[key] = Tally(1, now, now)
        else:
            self.uncounted += 1

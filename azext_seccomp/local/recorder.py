# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Calls that the profile denies, counted by who made them. Memory grows with different calls, not with calls."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from azext_seccomp.local.kernel import Notification
from azext_seccomp.profile.evaluate import Decision

# The only call of the hand-over that a container's start has too.
EXEC = "execve"

# A process may give itself any name at any time; beyond this many different calls they are counted together.
MOST_DIFFERENT = 10_000
_DESCRIBED = 1024  # arguments whose description is remembered


class Denied(NamedTuple):
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
        self._describe = lru_cache(maxsize=_DESCRIBED)(describe)
        self._clock = clock
        self.denied: dict[Denied, Tally] = {}
        self.startup: dict[Denied, Tally] = {}
        self.uncounted = 0

    def add(
        self, comm: str, syscall: str, notification: Notification, decision: Decision, *, starting: bool = False
    ) -> None:
        """Count one call.

        :param starting: it was made before the command's own program ran: only the exec is told of, apart.
        """
        if starting and syscall != EXEC:
            return
        tallies = self.startup if starting else self.denied
        key = Denied(comm, syscall, notification.architecture, decision, self._describe(syscall, notification.args))
        now = self._clock()
        tally = tallies.get(key)
        if tally is not None:
            tally.count += 1
            tally.last = now
        elif len(tallies) < MOST_DIFFERENT:
            tallies[key] = Tally(1, now, now)
        else:
            self.uncounted += 1

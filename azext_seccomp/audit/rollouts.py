# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Waiting until workloads run with the template that they have been given."""

import re
import threading
import time
from collections.abc import Callable, Iterable

from azext_seccomp.audit.exercise import Pump
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import Forbidden, NotFound, SeccompError
from azext_seccomp.progress import Progress
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.rollout import Rollout, advance

_POLL_SECONDS = 1.0

_TROUBLE_SECONDS = 20.0  # of one kind of trouble; quotas and pulls of images often pass sooner
# The reason alone: the words after it have addresses, counts and ids in them that change with every attempt.
_KIND = re.compile(r"(?:pod \S+ )?((?:container \S+ )?[^:,]*)")

Settled = Callable[[FormerWorkload, str], None]
"""Told of each workload once: it has rolled out, or why it is stuck."""


def wait_rolled_out(
    kube: Kube,
    workloads: Iterable[FormerWorkload],
    settled: Settled,
    *,
    switched: bool,
    pump: Pump,
    stop: threading.Event,
    progress: Progress,
    seconds: float,
) -> None:
    """Wait for all of them at once; those that are not done in time are stuck. On the way to the audit profiles one in
    trouble is stuck sooner, after some seconds of one kind of trouble: other pods wait for it under audit meanwhile. On
    the way back there is nothing to be won by giving up early.

    :param switched: on the way to the audit profiles, not on the way back.
    :param stop: ends the waiting early; of those still under way nothing is told.
    """
    rolling = list(workloads)
    total = len(rolling)
    deadline = time.monotonic() + seconds
    troubles: dict[str, dict[str, float]] = {}
    text = "Waiting for the workloads to run under the audit profile" if switched else "Waiting for the way back"
    while rolling and not stop.is_set():
        progress.step(text, total - len(rolling), total)
        now = time.monotonic()
        for one in list(rolling):
            rollout = _look(kube, one, switched=switched)
            lasts = _trouble_lasts(troubles.setdefault(one.uid, {}), rollout, now) if switched else 0.0
            late = now >= deadline or lasts >= _TROUBLE_SECONDS
            if rollout.status == "done":
                rolling.remove(one)
                settled(one, "")
            elif rollout.status == "stuck" or late:
                rolling.remove(one)
                settled(one, rollout.detail or f"its pods are not all ready after {seconds:.0f} s")
        if rolling:
            pump(_POLL_SECONDS)
    progress.step(text, total - len(rolling), total)


def _trouble_lasts(since: dict[str, float], rollout: Rollout, now: float) -> float:
    """For how many seconds there has been this kind of trouble. Others may have shown up in between (of an image the
    kubelet says by turns that it cannot be pulled and that it waits for the next pull); a look without any ends all.

    :param since: the beginning of each kind, kept from look to look.
    """
    if rollout.status != "troubled":
        since.clear()
        return 0.0
    kind = _KIND.match(rollout.detail)
    return now - since.setdefault(kind[1] if kind else "", now)


def _look(kube: Kube, one: FormerWorkload, *, switched: bool) -> Rollout:
    """One that cannot be looked at is looked at again: a restart of the API server is no verdict on a workload. What is
    forbidden (an eviction, by RBAC or a policy) mostly stays so. One that was deleted has nothing left to come back.
    """
    try:
        return advance(kube, one, switched=switched)
    except NotFound:
        return Rollout("stuck", "it was deleted") if switched else Rollout("done")
    except Forbidden as error:
        return Rollout("troubled", str(error))
    except SeccompError as error:
        return Rollout("rolling", str(error))

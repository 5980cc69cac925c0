# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Waiting until workloads run with the template that they have been given."""

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

_TROUBLE_SECONDS = 20.0  # of one kind of trouble without a break; quotas and pulls of images often pass sooner

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
    """Wait for all of them at once; those that are not done in time are stuck.

    :param switched: on the way to the audit profiles, not on the way back.
    :param stop: ends the waiting early; of those still under way nothing is told.
    """
    rolling = list(workloads)
    total = len(rolling)
    deadline = time.monotonic() + seconds
    troubled: dict[str, float] = {}
    text = "Waiting for the workloads to run under the audit profile" if switched else "Waiting for the way back"
    while rolling and not stop.is_set():
        progress.step(text, total - len(rolling), total)
        now = time.monotonic()
        for one in list(rolling):
            rollout = _look(kube, one, switched=switched)
            since = troubled.setdefault(one.uid, now) if rollout.status == "troubled" else now
            if rollout.status != "troubled":
                troubled.pop(one.uid, None)
            late = now >= deadline or now - since >= _TROUBLE_SECONDS
            if rollout.status == "done":
                rolling.remove(one)
                settled(one, "")
            elif rollout.status == "stuck" or late:
                rolling.remove(one)
                settled(one, rollout.detail or f"its pods are not all ready after {seconds:.0f} s")
        if rolling:
            pump(_POLL_SECONDS)
    progress.step(text, total - len(rolling), total)


def _look(kube: Kube, one: FormerWorkload, *, switched: bool) -> Rollout:
    """One that cannot be looked at is looked at again: a restart of the API server is no verdict on a workload. What is
    forbidden (an eviction, by RBAC or a policy) mostly stays so.
    """
    try:
        return advance(kube, one, switched=switched)
    except NotFound:
        return Rollout("stuck", "it was deleted")
    except Forbidden as error:
        return Rollout("troubled", str(error))
    except SeccompError as error:
        return Rollout("rolling", str(error))

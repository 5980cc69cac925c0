# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The way back: every workload that a session changed gets its former template, and runs with it again."""

import threading
import time
from collections.abc import Sequence

from azext_seccomp.audit.plan import ROLLOUT_SECONDS
from azext_seccomp.audit.removal import Removal, RemovalStatus
from azext_seccomp.audit.rollouts import wait_rolled_out
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import SeccompError
from azext_seccomp.progress import Progress
from azext_seccomp.workload.change import FormerWorkload
from azext_seccomp.workload.revisions import forget_revisions, in_history
from azext_seccomp.workload.switching import Restored, restore

_STATUSES: dict[str, RemovalStatus] = {
    "restored": "restored",
    "untouched": "absent",
    "absent": "absent",
    "replaced": "kept",
    "failed": "failed",
}


def restore_all(kube: Kube, workloads: Sequence[FormerWorkload], session: str, progress: Progress) -> list[Removal]:
    """Put everything back first, then wait: a workload that is slow to roll out does not keep the others changed."""
    results: list[tuple[FormerWorkload, Restored]] = []
    for number, one in enumerate(workloads):
        progress.step("Putting the workloads back", number, len(workloads))
        results.append((one, put_back(kube, one, session)))
    late: dict[str, str] = {}

    def settled(one: FormerWorkload, stuck: str) -> None:
        if stuck:
            late[one.uid] = f"its template is what it was, but its pods are not all back: {stuck}"

    wait_rolled_out(
        kube,
        [one for one, result in results if _may_have_pods(kube, one, result)],
        settled,
        switched=False,
        pump=time.sleep,
        stop=threading.Event(),
        progress=progress,
        seconds=ROLLOUT_SECONDS,
    )
    removals = []
    for one, result in results:
        said = [late.get(one.uid, result.detail)]
        if result.status in ("restored", "untouched"):
            said.append(_forget(kube, one))
        removals.append(_removal(one, result.status, " ".join(filter(None, said))))
    return removals


def put_back(kube: Kube, one: FormerWorkload, session: str) -> Restored:
    """Give a workload its former template; what cannot be done is in the result."""
    try:
        return restore(kube, one, session)
    except SeccompError as error:
        return Restored("failed", str(error))


def _may_have_pods(kube: Kube, one: FormerWorkload, result: Restored) -> bool:
    """Whether pods under the audit profile may be left. Also of one that has its template already: it was put back when
    its rollout got stuck, or by a run that was killed then.
    """
    if result.status != "untouched":
        return result.status == "restored"
    try:
        return in_history(kube, one)
    except SeccompError:
        return True


def _forget(kube: Kube, one: FormerWorkload) -> str:
    """An old revision that stays is worth a sentence, not a failure."""
    try:
        forget_revisions(kube, one)
    except SeccompError as error:
        return f"A revision with the audit profile stays in its history, do not roll back to it: {error}"
    return ""


def _removal(one: FormerWorkload, status: str, detail: str) -> Removal:
    name = printable(f"{one.namespace}/{one.name}", 330)
    return Removal(printable(one.kind, 80), name, _STATUSES[status], printable(detail, 500))

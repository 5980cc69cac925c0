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
from azext_seccomp.cluster.interface import PODS, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import SeccompError
from azext_seccomp.node.users import ALIVE, profiles_of
from azext_seccomp.progress import Progress
from azext_seccomp.workload.change import FormerWorkload, is_switched
from azext_seccomp.workload.revisions import Histories, forget_revisions, in_history, in_use
from azext_seccomp.workload.switching import Restored, restore

_STATUSES: dict[str, RemovalStatus] = {
    "restored": "restored",
    "untouched": "absent",
    "absent": "absent",
    "replaced": "kept",
    "failed": "failed",
}


def restore_all(kube: Kube, workloads: Sequence[FormerWorkload], session: str, progress: Progress) -> list[Removal]:
    """Put everything back first, then wait: a workload that is slow to roll out does not keep the others changed. One
    whose pods go on under the audit profile after that has failed, however well its template is. One that is not ready
    with its own template again has not: it may not have been before, and there is nothing left to put back.

    :return: what became of each, in their order.
    """
    results: list[tuple[FormerWorkload, Restored]] = []
    for number, one in enumerate(workloads):
        progress.step("Putting the workloads back", number, len(workloads))
        results.append((one, put_back(kube, one, session)))
    histories = Histories(kube)
    rolling = [one for one, result in results if _may_have_pods(histories, one, result)]
    late: dict[str, str] = {}

    def settled(one: FormerWorkload, stuck: str) -> None:
        if stuck:
            late[one.uid] = stuck

    wait_rolled_out(
        kube,
        rolling,
        settled,
        switched=False,
        pump=time.sleep,
        stop=threading.Event(),
        progress=progress,
        seconds=ROLLOUT_SECONDS,
    )
    histories = Histories(kube)  # as they are now
    under_audit = {one.uid for one in rolling if one.uid in late and _has_pods_under_audit(histories, one)}
    done = {one.uid for one in rolling} - under_audit
    removals = []
    for one, result in results:
        said = [result.detail]
        if one.uid in under_audit:
            said.append(f"its template is what it was, but its pods are not all back: {late[one.uid]}")
        elif one.uid in late:
            said.append(f"it is what it was, but its pods are not all ready: {late[one.uid]}")
        if one.uid in done:
            said.append(_forget(histories, one))
        removals.append(_removal(one, "failed" if one.uid in under_audit else _STATUSES[result.status], said))
    return removals


def put_back(kube: Kube, one: FormerWorkload, session: str) -> Restored:
    """Give a workload its former template; what cannot be done is in the result."""
    try:
        return restore(kube, one, session)
    except SeccompError as error:
        return Restored("failed", str(error))


def _may_have_pods(histories: Histories, one: FormerWorkload, result: Restored) -> bool:
    """Whether pods under the audit profile may be left. Also of one that has its template already: it was put back when
    its rollout got stuck, or by a run that was killed then.
    """
    if result.status != "untouched":
        return result.status == "restored"
    try:
        return in_history(histories, one)
    except SeccompError:
        return True


def _has_pods_under_audit(histories: Histories, one: FormerWorkload) -> bool:
    """Or may get them. True as well when nobody knows."""
    kube, paths = histories.kube, {container.path for container in one.containers}
    try:
        return (
            is_switched(kube.get(one.path), one)
            or in_use(histories, one)
            or any(
                not paths.isdisjoint(profiles_of(pod.get("spec") or {}))
                for pod in kube.list(PODS.path(one.namespace), fields=ALIVE)
                if "deletionTimestamp" not in pod["metadata"]
            )
        )
    except SeccompError:
        return True


def _forget(histories: Histories, one: FormerWorkload) -> str:
    """An old revision that stays is worth a sentence, not a failure."""
    try:
        why = "it is still in use" if forget_revisions(histories, one) else ""
    except SeccompError as error:
        why = str(error)
    return f"A revision with the audit profile stays in its history, do not roll back to it: {why}" if why else ""


def _removal(one: FormerWorkload, status: RemovalStatus, said: Sequence[str]) -> Removal:
    name = printable(f"{one.namespace}/{one.name}", 330)
    return Removal(printable(one.kind, 80), name, status, printable(" ".join(filter(None, said)), 500))

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
from azext_seccomp.workload.revisions import Histories, forget_revisions, in_history
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
    whose pods are not back in time has failed, however well its template is: they go on under the audit profile.

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
            late[one.uid] = f"its template is what it was, but its pods are not all back: {stuck}"

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
    stays = {one.uid: _forget(histories, one) for one in rolling if one.uid not in late}
    return [
        _removal(
            one,
            "failed" if one.uid in late else _STATUSES[result.status],
            [result.detail, late.get(one.uid, ""), stays.get(one.uid, "")],
        )
        for one, result in results
    ]


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

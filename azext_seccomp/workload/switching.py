# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Switches a workload to audit profiles and back, in the cluster.

A workload is replaced as it was read, under its resourceVersion: nothing that somebody else writes meanwhile is lost.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from azext_seccomp.cluster.interface import PODS, JsonObject, Kube
from azext_seccomp.cluster.namespace import MANAGED_BY
from azext_seccomp.cluster.refusals import Denied
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, NotFound, SeccompError, ServerFault, Unreachable
from azext_seccomp.workload.change import (
    ANNOTATION,
    FormerWorkload,
    Restoration,
    is_switched,
    of_session,
    restored,
    switched,
    with_former_owners,
)
from azext_seccomp.workload.sample_pod import sample_pod

_ATTEMPTS = 8  # controllers write the status of a workload often, each time with a new resourceVersion
_PAUSE_SECONDS = 0.2  # doubled from attempt to attempt on the way back: 25 s in all, an API server restarts meanwhile
# k8s.io/apiserver pkg/admission/plugin/webhook: one with side effects refuses every dry run, whatever it is about.
_NO_DRY_RUN = "does not support dry run"
_OTHER_PROFILE = "an admission webhook of the cluster puts another seccompProfile in the place of the audit profile"

RestoredStatus = Literal["restored", "untouched", "absent", "replaced", "failed"]


class Restored(NamedTuple):
    """What became of a workload. ``status``: ``restored``; ``untouched`` (nothing of the session was in it); ``absent``
    (it is gone); ``replaced`` (there is another one of its name); ``failed``.
    """

    status: RestoredStatus
    detail: str = ""


def dry_run(kube: Kube, former: FormerWorkload, session: str) -> str:
    """Why the cluster would not let the workload be audited, in the words of whoever refuses; empty when it would.

    :raises SeccompError: the cluster cannot be asked.
    """

    def change(body: JsonObject) -> JsonObject:
        return _switched(body, former, session)

    try:
        changed = _write(kube, former, change, dry_run=True)
    except (Forbidden, InvalidInput) as error:
        if _NO_DRY_RUN not in str(error):
            return printable(str(error), 500)
        changed = change(kube.get(former.path))
    return _refused_pods(kube, former, changed) if is_switched(changed, former) else _OTHER_PROFILE


def _refused_pods(kube: Kube, former: FormerWorkload, changed: JsonObject) -> str:
    """Why its pods would be refused: most policies judge pods alone, and a Deployment that recreates them, or a
    StatefulSet, has lost one when the next is refused. Whoever may not create pods, or not now, has not learned that.
    """
    try:
        made = kube.create(PODS.path(former.namespace), sample_pod(changed), dry_run=True)
    except Denied as error:
        return printable(f"its pods would be refused: {error}", 500)
    except (Forbidden, InvalidInput, Conflict, NotFound):
        return ""
    return "" if is_switched(made, former) else _OTHER_PROFILE


def switch(kube: Kube, former: FormerWorkload, session: str) -> None:
    """Put every container under its audit profile.

    :raises Conflict: another session has it, or it is not any more what was planned for.
    :raises NotFound: it is gone.
    """
    try:
        _write(kube, former, lambda body: _switched(body, former, session))
    except (Unreachable, ServerFault):
        # It may have been carried out nevertheless.
        if not is_switched(kube.get(former.path), former):
            raise


def restore(kube: Kube, former: FormerWorkload, session: str) -> Restored:
    """Take back what the session changed; for the second time, nothing.

    :raises SeccompError: the server refuses or cannot be reached.
    """
    done: list[Restoration] = []

    def back(body: JsonObject) -> JsonObject | None:
        if not _is_it(body, former):
            raise _Replaced(of_session(body, session))
        done.append(restored(body, former, session))
        return done[-1].body if done[-1].changed else None

    try:
        found = _write(kube, former, back, persistent=True)
    except NotFound:
        return Restored("absent", "it was deleted")
    except _Replaced as other:
        return _another(other.left)
    if done[-1].left:
        return Restored(
            "failed",
            f"{_listed(done[-1].left)} names a profile of the audit without being known to it: change it by hand",
        )
    # An attempt whose answer was lost may have been carried out: then the last one finds nothing to change.
    changes = [one for one in done if one.changed]
    foreign = _listed(changes[-1].foreign) if changes else ""
    said = [f"somebody else has changed the seccompProfile of {foreign}, which is left as it is"] if foreign else []
    kept = _give_back_fields(kube, former, found)
    return Restored("restored" if changes else "untouched", "; ".join([*said, *kept]))


def _another(left: Sequence[str]) -> Restored:
    """What is said of another workload of the name; one made from the switched one needs a file that is removed."""
    gone = "it was deleted, and another one has its name"
    if not left:
        return Restored("replaced", gone)
    return Restored("failed", f"{gone}, in which {_listed(left)} still names a profile of the audit: change it by hand")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(printable(name, 80) for name in names)


def _give_back_fields(kube: Kube, former: FormerWorkload, found: JsonObject) -> list[str]:
    """Let the fields of the profiles be theirs again who owned them before; what keeps that from being done is said,
    and no failure: the workload runs as it did.
    """
    if with_former_owners(found, former) is None:
        return []
    why = "the server keeps it so"
    try:
        found = _write(
            kube,
            former,
            lambda body: with_former_owners(body, former) if _is_it(body, former) else None,
            persistent=True,
        )
        if not _is_it(found, former) or with_former_owners(found, former) is None:
            return []
    except NotFound:
        return []
    except SeccompError as error:
        why = str(error)
    return [
        f"its seccompProfile fields belong to the field manager {MANAGED_BY} now, so a server-side apply that changes "
        f"them needs --force-conflicts: {why}"
    ]


def _is_it(body: JsonObject, former: FormerWorkload) -> bool:
    return bool(body["metadata"].get("uid") == former.uid)


class _Replaced(Exception):
    """The object has another uid. ``left``: its containers that name a file of the session."""

    def __init__(self, left: Sequence[str]) -> None:
        super().__init__()
        self.left = left


def _switched(body: JsonObject, former: FormerWorkload, session: str) -> JsonObject:
    other = (body["metadata"].get("annotations") or {}).get(ANNOTATION)
    if other and other != session:
        raise Conflict(f"{former.label} is being audited already.", why=f"By session {printable(other, 64)}.")
    changed = switched(body, former, session) if _is_it(body, former) else None
    if changed is None:
        raise Conflict(f"{former.label} has been changed by somebody else meanwhile.", fix="Run the audit again.")
    return changed


def _write(
    kube: Kube,
    former: FormerWorkload,
    change: Callable[[JsonObject], Mapping[str, Any] | None],
    *,
    dry_run: bool = False,
    persistent: bool = False,
) -> JsonObject:
    """Read it, change it, write it; again when somebody else was quicker.

    :param change: answers None when there is nothing to change.
    :param persistent: again as well when the server is away or at fault, with pauses that grow. A lost write may have
        been carried out: ``change`` sees what came of it, and no write is sent twice under its resourceVersion.
    :return: what the server has then.
    """
    repeated = (Conflict, Unreachable, ServerFault) if persistent else (Conflict,)
    for attempt in range(_ATTEMPTS):
        try:
            found = kube.get(former.path)
        except repeated as error:
            failure: SeccompError = error
        else:
            changed = change(found)
            if changed is None:
                return found
            try:
                return kube.replace(former.path, changed, dry_run=dry_run)
            except repeated as error:
                failure = error
        if attempt == _ATTEMPTS - 1:
            raise failure
        time.sleep(_PAUSE_SECONDS * 2**attempt if persistent else _PAUSE_SECONDS)
    raise AssertionError("unreachable")

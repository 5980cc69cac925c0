# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What earlier runs left in the cluster: found by their journals and labels, told from runs that go on, removed."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.heartbeat import LEASE_SECONDS
from azext_seccomp.audit.journal import Journal
from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.undo import remove_own_pods, undo
from azext_seccomp.cluster.interface import CONFIG_MAPS, PODS, JsonObject, Kube
from azext_seccomp.cluster.namespace import NAMESPACE, ROLE_LABEL, SESSION_LABEL, release_namespace, selector
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput, NotFound, SeccompError
from azext_seccomp.node.inventory import Node
from azext_seccomp.progress import Progress

_SILENT_SECONDS = 60.0  # worth a hint: an API server under load may be late by some renewals
OLD_SECONDS = 600.0
"""A journal that was renewed so long ago by this machine's clock is dead, however wrong the clocks are."""

_UNREADABLE_FIX = (
    "It is kept: clean up with the version that wrote it, or give up what it names with --session and --force."
)
_FINISHED = ("Succeeded", "Failed")


@dataclass
class Left:
    """What there is of one session in our namespace.

    :param problem: why its journal cannot be used.
    """

    session: str
    journal: Journal | None = None
    problem: str = ""
    renewed_seconds_ago: float | None = None
    signs: set[tuple[str, str, str]] = field(default_factory=set)
    pods: list[str] = field(default_factory=list)
    config_maps: list[str] = field(default_factory=list)
    unfinished_pods: bool = False


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of one session. ``status``: ``removed``, ``running`` (left alone), ``kept`` (asked for), ``partly``
    (something failed), ``found`` (dry run).
    """

    session: str
    status: str
    detail: str
    removals: tuple[Removal, ...] = ()


def find(kube: Kube) -> dict[str, Left]:
    """Every session that has something in our namespace, by its id."""
    found: dict[str, Left] = {}
    for kind, resource in (("Pod", PODS), ("ConfigMap", CONFIG_MAPS)):
        for one in kube.list(resource.path(NAMESPACE), labels=selector()):
            metadata = one["metadata"]
            session = str((metadata.get("labels") or {}).get(SESSION_LABEL, ""))
            if session:
                _note(found.setdefault(session, Left(session)), kind, one)
    return found


def left_behind(kube: Kube) -> list[tuple[str, str]]:
    """Each session that gives no sign of life, with a sentence; it says what it goes by, for clocks may differ."""
    said = []
    for found in journals.list_all(kube):
        seconds = journals.seconds_since_renewal(found)
        session = str((found["metadata"].get("labels") or {}).get(SESSION_LABEL, ""))
        try:
            kept = journals.decode(found).kept
        except InvalidInput:
            kept = False
        if seconds is not None and seconds > _SILENT_SECONDS and not kept:
            last = f"by this machine's clock its last sign of life was {seconds:.0f} s ago"
            name = printable(session, 64)
            said.append((name, f"Session {name} seems to be left unfinished: {last}."))
    return said


def clean(
    kube: Kube,
    nodes: Sequence[Node],
    *,
    session: str = "",
    dry_run: bool = False,
    force: bool = False,
    installer_image: str = "",
    progress: Progress,
    stop: threading.Event | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> list[Cleaned]:
    """Remove what sessions left that are not running any more.

    :param session: only this one; it may be one that was kept.
    :param dry_run: look only.
    :param force: do not wait to see whether a session is still running: it is not.
    :param stop: ends it, at the latest when the session at hand is done.
    :raises NotFound: there is nothing of that session.
    :raises KeyboardInterrupt: ``stop`` was set.
    """
    found = find(kube)
    if session:
        if session not in found:
            raise NotFound(
                f"There is nothing of a session {printable(session, 64)!r} in the cluster.",
                fix="Sessions that left something: az aks seccomp cleanup --dry-run.",
            )
        found = {session: found[session]}
    stop = stop or threading.Event()
    running = set() if force else _running(kube, found, lease_seconds, progress, stop)
    cleaned = []
    for one in found.values():
        if stop.is_set():
            raise KeyboardInterrupt
        if one.session in running:
            cleaned.append(Cleaned(one.session, "running", "it is still running; --force removes it nevertheless"))
        elif one.journal is not None and one.journal.kept and one.session != session:
            detail = "it was kept by --keep; name it with --session to remove it"
            cleaned.append(Cleaned(one.session, "kept", detail, tuple(_present(one))))
        elif dry_run:
            cleaned.append(Cleaned(one.session, "found", _age(one), tuple(_present(one))))
        else:
            named = force and one.session == session
            cleaned.append(_clean(kube, nodes, one, installer_image, progress, discard=named))
    if not dry_run:
        release_namespace(kube)
    return cleaned


def _clean(kube: Kube, nodes: Sequence[Node], left: Left, image: str, progress: Progress, *, discard: bool) -> Cleaned:
    """
    :param discard: delete a journal that cannot be read. What it names is lost with it, so that has to be asked for: a
        later version of this extension may have written it.
    """
    try:
        if left.journal is not None:
            removals = undo(kube, left.journal, nodes, installer_image=image, progress=progress)
        else:
            remove_own_pods(kube, left.session)
            if left.problem and not discard:
                return Cleaned(left.session, "partly", f"{left.problem} {_UNREADABLE_FIX}")
            if left.problem:
                journals.delete(kube, left.session)
            removals = []
    except SeccompError as error:
        return Cleaned(left.session, "partly", printable(str(error), 500))
    removals += [Removal("Pod", name, "removed") for name in left.pods]
    if any(one.status == "failed" for one in removals):
        return Cleaned(left.session, "partly", "some of it could not be removed; try again", tuple(removals))
    return Cleaned(left.session, "removed", left.problem, tuple(removals))


def _note(left: Left, kind: str, found: JsonObject) -> None:
    metadata = found["metadata"]
    is_journal = (metadata.get("labels") or {}).get(ROLE_LABEL) == journals.ROLE
    left.signs.add((kind, metadata["name"], metadata["resourceVersion"]))
    if kind == "Pod":
        left.pods.append(metadata["name"])
        left.unfinished_pods |= (found.get("status") or {}).get("phase") not in _FINISHED
    elif not is_journal:
        left.config_maps.append(metadata["name"])
    else:
        left.renewed_seconds_ago = journals.seconds_since_renewal(found)
        try:
            left.journal = journals.decode(found)
        except InvalidInput as error:
            left.problem = str(error)


def _running(
    kube: Kube, found: dict[str, Left], lease_seconds: float, progress: Progress, stop: threading.Event
) -> set[str]:
    """The sessions that show a sign of life. Those in doubt are looked at for the time of a lease, so that nobody's
    clock matters (as leader election in client-go does it).
    """
    doubtful = {one.session: one for one in found.values() if _may_run(one)}
    if not doubtful:
        return set()
    deadline = time.monotonic() + lease_seconds
    while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
        progress.step(f"Waiting {left:.0f} s to see whether a session is still running")
        stop.wait(min(1.0, left))
    now = find(kube)
    return {session for session, before in doubtful.items() if session in now and _lives(before, now[session])}


def _may_run(left: Left) -> bool:
    if left.journal is not None and left.journal.kept:
        return False
    return left.renewed_seconds_ago is None or left.renewed_seconds_ago < OLD_SECONDS


def _lives(before: Left, now: Left) -> bool:
    """A session with a journal renews it. One without, that of ``profile place`` for instance, lives as long as its
    pods, which have deadlines.
    """
    if before.journal is not None:
        return before.renewed_seconds_ago is not None and _journal_sign(before) != _journal_sign(now)
    return now.unfinished_pods or before.signs != now.signs


def _journal_sign(left: Left) -> Iterable[tuple[str, str, str]]:
    return {sign for sign in left.signs if sign[1] == f"journal-{left.session}"}


def _present(left: Left) -> Iterator[Removal]:
    journal = left.journal
    for workload in journal.workloads if journal else ():
        name = printable(f"{workload.namespace}/{workload.name}", 330)
        yield Removal(printable(workload.kind, 80), name, "found", "it is put back as it was, if it is changed")
    for one in journal.objects if journal else ():
        name = f"{one.namespace}/{one.name}" if one.namespace else one.name
        yield Removal(printable(one.kind, 80), printable(name, 330), "found")
    for path in journal.files if journal else ():
        for node in journal.nodes if journal else ():
            yield Removal("File", printable(path, 256), "found", node=printable(node, 253))
    yield from (Removal("Pod", name, "found") for name in left.pods)
    yield from (Removal("ConfigMap", name, "found") for name in left.config_maps)


def _age(left: Left) -> str:
    if left.journal is None:
        return left.problem or "it has no journal"
    return f"started {printable(left.journal.started_at, 40)}"


def rows(cleaned: Iterable[Cleaned]) -> list[dict[str, str]]:
    """One row for each thing, and one for a session of which there is no single thing to name."""
    made = []
    for one in cleaned:
        session = {"session": one.session}
        made += [
            {
                **session,
                "kind": removal.kind,
                "name": removal.name,
                "node": removal.node,
                "status": removal.status if one.status != "kept" else "kept",
                "detail": removal.detail,
            }
            for removal in one.removals
        ]
        if not one.removals or one.status in ("running", "kept", "partly"):
            made.append(
                {
                    **session,
                    "kind": "Session",
                    "name": one.session,
                    "node": "",
                    "status": one.status,
                    "detail": one.detail,
                }
            )
    return made

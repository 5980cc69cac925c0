# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One audit from beginning to end: the order of its steps, and that everything it makes is removed on every way out."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit import manifest_objects
from azext_seccomp.audit.advice import advice
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.journal import Journal
from azext_seccomp.audit.notes import notes
from azext_seccomp.audit.plan import Cluster, Listener, Plan
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.report import Run, build
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.audit.targets import Targets
from azext_seccomp.audit.undo import remove_own_pods, undo
from azext_seccomp.audit.verdict import NodeCoverage, Workload
from azext_seccomp.audit.watch import Watch, Watched, gadget_options
from azext_seccomp.cluster.interface import JsonObject, Kube
from azext_seccomp.cluster.namespace import SESSION_LABEL, ensure_namespace, release_namespace, while_it_lasts
from azext_seccomp.cluster.preflight import refused_pools
from azext_seccomp.errors import SeccompError, WrongState
from azext_seccomp.gadget.collectors import Pace
from azext_seccomp.gadget.manifest import collector_pod
from azext_seccomp.gadget.timestamps import utc_millisecond
from azext_seccomp.node.inventory import Chosen, Node, choose, read_nodes
from azext_seccomp.node.placement import NodeOutcome, place
from azext_seccomp.node.soundness import require_sound
from azext_seccomp.progress import Progress
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.manifest import ManifestObject, require_absent, resolve
from azext_seccomp.workload.templates import containers_of, pod_template

_REASONS_SHOWN = 3


class AuditSession:
    """One audit and everything that it makes.

    :param session: its id, see ``cluster.namespace.new_session_id``.
    :param pace: of the collectors.
    """

    def __init__(
        self,
        kube: Kube,
        plan: Plan,
        cluster: Cluster,
        session: str,
        *,
        interrupts: Interrupts,
        listener: Listener,
        progress: Progress,
        pace: Pace | None = None,
    ) -> None:
        self._kube = kube
        self._plan = plan
        self._cluster = cluster
        self._session = session
        self._interrupts = interrupts
        self._listener = listener
        self._progress = progress
        self._pace = pace
        self._profiles: ProfileSet
        self._journal: Journal | None = None
        self._removals: list[Removal] = []

    def run(self) -> JsonObject:
        """Audit, and return the report.

        :raises SeccompError: the audit could not take place. Whatever was made is removed.
        """
        self._progress.step("Looking at the nodes")
        nodes = read_nodes(self._kube)
        chosen = choose(nodes, self._plan.nodepools)
        self._profiles = self._profile_set(chosen.usable)
        objects = resolve(self._kube, self._plan.objects, self._plan.object_namespace)
        require_absent(self._kube, objects)
        manifest_objects.dry_run(self._kube, objects, self._session, self._path_of)
        with self._interrupts:
            ensure_namespace(self._kube)
            try:
                self._require_admission(chosen.usable)
                return self._run(nodes, chosen, objects)
            finally:
                release_namespace(self._kube)

    def _run(self, nodes: Sequence[Node], chosen: Chosen, objects: Sequence[ManifestObject]) -> JsonObject:
        targets = self._targets(nodes, objects)
        # The removal is part of the session's life: nobody else is to clear up behind it at the same time.
        with heartbeat(self._kube, self._session), self._undone(nodes):
            self._write_journal(chosen.usable, objects)
            outcomes = self._place(chosen.usable)
            placed = [node for node, outcome in zip(chosen.usable, outcomes, strict=True) if outcome.ok]
            watch = Watch(
                self._kube,
                self._session,
                self._plan,
                targets,
                apply=lambda: self._apply(objects),
                listener=self._listener,
                progress=self._progress,
                stop=self._interrupts.stop,
                pace=self._pace,
            )
            watched = watch.run(placed, lambda: self._listener.ready(self._only_path(), self._plan.seconds))
        return self._report(chosen, outcomes, targets, watched)

    def _profile_set(self, nodes: Sequence[Node]) -> ProfileSet:
        templates = [template for one in self._plan.objects if (template := pod_template(one))]
        capabilities = {capabilities_of(one) for template in templates for one in containers_of(template.spec)}
        # Files of audits have a directory of their own, so that the end of one never removes what was placed to stay.
        profiles = ProfileSet(self._plan.choice, nodes, capabilities, mode="audit", directory="audit")
        for profile, its_nodes in profiles.placed():
            require_sound(profile, self._plan.choice.identity.source, its_nodes)
        return profiles

    def _path_of(self, container: Mapping[str, Any]) -> str:
        return self._profiles.path_for(capabilities_of(container))

    def _only_path(self) -> str:
        """The ``localhostProfile`` when there is just one."""
        return next(iter(self._profiles.paths)) if len(self._profiles.paths) == 1 else ""

    def _require_admission(self, nodes: Sequence[Node]) -> None:
        """Ask whether collectors would be admitted, before anything is made; installers ask for themselves."""
        first_of_pool = {node.pool: node for node in reversed(nodes)}
        options = gadget_options(self._plan)
        pods = {
            pool: collector_pod(node.name, self._session, options, node.taints) for pool, node in first_of_pool.items()
        }
        while_it_lasts(self._kube, lambda: refused_pools(self._kube, pods))

    def _write_journal(self, nodes: Sequence[Node], objects: Sequence[ManifestObject]) -> None:
        self._journal = Journal(
            session=self._session,
            version=journals.VERSION,
            command="audit",
            started_at=utc_millisecond(time.time_ns()),
            installer_image=self._plan.images.installer,
            files=tuple(sorted(self._profiles.paths)),
            nodes=tuple(node.name for node in nodes),
            objects=manifest_objects.planned(objects),
        )
        journals.write(self._kube, self._journal)

    def _place(self, nodes: Sequence[Node]) -> list[NodeOutcome]:
        """On every node; the file's name follows from its content, so what is there already is the same."""
        stop = self._interrupts.stop
        placed = place(
            self._kube,
            self._session,
            [(node, self._profiles.files_on(node)) for node in nodes],
            image=self._plan.images.installer,
            force=True,
            progress=self._progress,
            stop=stop,
        )
        outcomes = _by_node(placed)
        if not stop.is_set() and not any(one.ok for one in outcomes):
            reasons = sorted({one.detail for one in outcomes})
            raise WrongState(
                "The audit profile could not be placed on any node.",
                why="; ".join(reasons[:_REASONS_SHOWN]),
                fix="An image that cannot be pulled is replaced with --installer-image.",
            )
        return outcomes

    def _apply(self, objects: Sequence[ManifestObject]) -> int | None:
        if not objects or self._journal is None:
            return None
        made = manifest_objects.create(self._kube, objects, self._session, self._path_of, self._progress)
        self._journal = msgspec.structs.replace(self._journal, objects=made)
        journals.update(self._kube, self._journal)
        return manifest_objects.pods_that_end(objects)

    def _targets(self, nodes: Sequence[Node], objects: Sequence[ManifestObject]) -> Targets:
        selection = self._plan.selection
        if objects:
            spaces = {one.namespace for one in objects if one.makes_pods}
            namespace = spaces.pop() if len(spaces) == 1 else ""
            selection = replace(selection, namespace=namespace, labels=f"{SESSION_LABEL}={self._session}")
        reasons = {node.name: "it runs on a virtual node" for node in nodes if node.virtual}
        reasons |= {node.name: "it runs on Windows, which has no seccomp" for node in nodes if node.os == "windows"}
        return Targets(self._kube, selection, self._profiles.paths, lambda node: reasons.get(node, ""))

    @contextmanager
    def _undone(self, nodes: Sequence[Node]) -> Iterator[None]:
        """Remove everything at the end. An error stays the one that is raised; a report is not lost because something
        could not be removed.
        """
        try:
            yield
        except BaseException as error:
            with self._interrupts.shielded():
                left = self._undo(nodes)
            if left and isinstance(error, SeccompError):
                error.fix = " ".join(filter(None, (error.fix, f"Then remove what was left: {self._cleanup()}.")))
            raise
        with self._interrupts.shielded():
            self._undo(nodes, keep=self._plan.keep)

    def _undo(self, nodes: Sequence[Node], *, keep: bool = False) -> bool:
        """True when something could not be removed."""
        if self._journal is None:
            return False
        try:
            if keep:
                remove_own_pods(self._kube, self._session)
                journals.update(self._kube, msgspec.structs.replace(self._journal, kept=True))
            else:
                self._removals = undo(self._kube, self._journal, nodes, progress=self._progress)
        except SeccompError as error:
            self._removals = [Removal("Session", self._session, "failed", str(error))]
        return any(one.status == "failed" for one in self._removals)

    def _doubted(self, workloads: list[Workload], unknown_events: int) -> list[Workload]:
        """Calls of pods that came and went unseen may be any workload's. With a label selector (a manifest has one too)
        the pods that it leaves out are just as unknown, so there it says nothing.
        """
        if not unknown_events or self._plan.selection.labels or self._plan.objects:
            return workloads
        doubt = f"logged calls came from pods that were never seen: {unknown_events}"
        return [replace(one, reasons=(*one.reasons, doubt)) for one in workloads]

    def _cleanup(self) -> str:
        return self._cluster.az("cleanup") + f" --session {self._session}"

    def _report(
        self, chosen: Chosen, outcomes: Sequence[NodeOutcome], targets: Targets, watched: Watched
    ) -> JsonObject:
        workloads = self._doubted(targets.workloads(), watched.unknown_events)
        by_key = {one.key: one for one in workloads}

        def workload_of(namespace: str, pod: str) -> Workload | None:
            owner = targets.owner_of(namespace, pod)
            return None if owner is None else by_key.get((owner.namespace, owner.kind, owner.name))

        report: dict[str, Any] = build(
            Run(
                self._session,
                self._cluster.facts,
                self._plan.choice.identity,
                "audit",
                watched.started_ns,
                watched.ended_ns,
            ),
            watched.findings,
            workloads=workloads,
            workload_of=workload_of,
            rule=ProfileRule(self._profiles, targets.profile_of),
            nodes=_coverage(chosen, outcomes, watched),
            not_auditable=targets.not_auditable(),
            advice=advice,
        )
        report["profile"] |= {"localhostProfile": self._only_path(), "variants": self._profiles.rows()}
        report["notes"] = notes(
            variant_notes=self._profiles.notes,
            only_logs=self._profiles.only_logs,
            early=watched.early,
            running_before=targets.running_before(),
            nothing_selected=not workloads,
            kept=self._cleanup() if self._plan.keep else "",
            removals=self._removals,
            cluster=self._cluster,
        )
        return report


def _by_node(outcomes: Sequence[NodeOutcome]) -> list[NodeOutcome]:
    """One of each node: of a file that it has not got, if there is one."""
    worst: dict[str, NodeOutcome] = {}
    for one in outcomes:
        if one.node not in worst or not one.ok:
            worst[one.node] = one
    return list(worst.values())


def _coverage(chosen: Chosen, outcomes: Sequence[NodeOutcome], watched: Watched) -> list[NodeCoverage]:
    states = {state.node: state for state in watched.states}
    covered = []
    for node, outcome in zip(chosen.usable, outcomes, strict=True):
        state = states.get(node.name)
        if state is None:
            why = "the audit was interrupted before it was watched" if outcome.ok else f"profile: {outcome.detail}"
            covered.append(NodeCoverage(node.name, node.pool, "failed", detail=why))
        else:
            covered.append(NodeCoverage(node.name, node.pool, state.status, state.events, state.lost, state.detail))
    return covered + [NodeCoverage(node.name, node.pool, "skipped", detail=reason) for node, reason in chosen.skipped]

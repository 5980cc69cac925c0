# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One audit from beginning to end: the order of its steps, and that everything it makes is removed on every way out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.advice import advice
from azext_seccomp.audit.applied import AppliedManifest
from azext_seccomp.audit.cleanup import left_behind
from azext_seccomp.audit.exercise import Exercise
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.journal import Journal, JournalObject
from azext_seccomp.audit.notes import next_commands, notes
from azext_seccomp.audit.plan import Cluster, Listener, Plan
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.report import Run, build
from azext_seccomp.audit.ruling import ProfileRule
from azext_seccomp.audit.switched import SwitchedWorkloads
from azext_seccomp.audit.targets import Targets
from azext_seccomp.audit.undo import remove_own_pods, undo
from azext_seccomp.audit.verdict import NodeCoverage, Workload
from azext_seccomp.audit.watch import Watch, Watched, gadget_options
from azext_seccomp.cluster.interface import JsonObject, Kube
from azext_seccomp.cluster.namespace import ensure_namespace, release_namespace, while_it_lasts
from azext_seccomp.cluster.preflight import refused_pools
from azext_seccomp.errors import Conflict, SeccompError, Unsupported, WrongState
from azext_seccomp.gadget.collectors import Pace
from azext_seccomp.gadget.manifest import collector_pod
from azext_seccomp.gadget.timestamps import utc_millisecond
from azext_seccomp.node.inventory import Chosen, Node, choose, read_nodes
from azext_seccomp.node.paths import audit_directory
from azext_seccomp.node.placement import NodeOutcome, place
from azext_seccomp.node.probe import canary_refusals, probe_path
from azext_seccomp.node.soundness import require_sound
from azext_seccomp.profile.model import Action
from azext_seccomp.progress import Progress
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.find import find

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
        self._unfinished: list[str] = []

    def run(self) -> JsonObject:
        """Audit, and return the report.

        :raises SeccompError: the audit could not take place. Whatever was made is removed.
        """
        self._progress.step("Looking at the nodes")
        nodes = read_nodes(self._kube)
        chosen = choose(nodes, self._plan.nodepools)
        self._unfinished = [
            f"{one} Put back what it changed: {self._cluster.az('cleanup')}" for one in left_behind(self._kube)
        ]
        for text in self._unfinished:
            self._listener.notice(text)
        exercise = self._exercise()
        self._profiles = self._profile_set(chosen.usable, exercise)
        exercise.prepare(self._profiles)
        planned = exercise.planned()
        if planned:
            self._listener.agree(planned)
        with self._interrupts:
            ensure_namespace(self._kube)
            try:
                self._require_admission(chosen.usable, exercise)
                return self._run(nodes, chosen, exercise)
            finally:
                release_namespace(self._kube)

    def _run(self, nodes: Sequence[Node], chosen: Chosen, exercise: Exercise) -> JsonObject:
        targets = self._targets(nodes, exercise)
        # The removal is part of the session's life: nobody else is to clear up behind it at the same time.
        with heartbeat(self._kube, self._session), self._undone(nodes):
            self._write_journal(chosen.usable, exercise)
            outcomes = self._place(chosen.usable, everywhere=exercise.anywhere)
            self._require_canary(chosen.usable)
            placed = [node for node, outcome in zip(chosen.usable, outcomes, strict=True) if outcome.ok]
            watch = Watch(
                self._kube,
                self._session,
                self._plan,
                targets,
                exercise=exercise,
                record=self._record,
                listener=self._listener,
                progress=self._progress,
                stop=self._interrupts.stop,
                pace=self._pace,
            )
            watched = watch.run(placed, lambda: self._listener.ready(self._only_path(), self._plan.seconds))
        return self._report(chosen, outcomes, exercise, targets, watched)

    def _exercise(self) -> Exercise:
        plan = self._plan
        if plan.references:
            self._progress.step("Looking at the workloads")
            candidates = find(
                self._kube,
                plan.references,
                namespace=plan.selection.namespace,
                labels=plan.selection.labels,
                include_system=plan.include_system,
            )
            return SwitchedWorkloads(
                self._kube,
                self._session,
                candidates,
                pools=plan.nodepools,
                rollout_seconds=plan.rollout_seconds,
                stop=self._interrupts.stop,
                progress=self._progress,
            )
        if plan.objects:
            return AppliedManifest(self._kube, self._session, plan.objects, plan.object_namespace, self._progress)
        return Exercise(plan.selection)

    def _profile_set(self, nodes: Sequence[Node], exercise: Exercise) -> ProfileSet:
        capabilities = {capabilities_of(one) for one in exercise.containers()}
        directory = audit_directory(self._session if exercise.makes else "")
        profiles = ProfileSet(self._plan.choice, nodes, capabilities, mode=self._plan.mode, directory=directory)
        for profile, its_nodes in profiles.placed():
            require_sound(profile, self._plan.choice.identity.source, its_nodes)
        return profiles

    def _only_path(self) -> str:
        """The ``localhostProfile`` when there is just one."""
        return next(iter(self._profiles.paths)) if len(self._profiles.paths) == 1 else ""

    def _require_admission(self, nodes: Sequence[Node], exercise: Exercise) -> None:
        """Ask whether collectors would be admitted, before anything is made; installers ask for themselves."""
        first_of_pool = {node.pool: node for node in reversed(nodes)}
        options = gadget_options(self._plan, exercise.selection)
        pods = {
            pool: collector_pod(node.name, self._session, options, node.taints) for pool, node in first_of_pool.items()
        }
        while_it_lasts(self._kube, lambda: refused_pools(self._kube, pods))

    def _write_journal(self, nodes: Sequence[Node], exercise: Exercise) -> None:
        journal = Journal(
            session=self._session,
            version=journals.VERSION,
            command="audit",
            started_at=utc_millisecond(time.time_ns()),
            installer_image=self._plan.images.installer,
            files=(*sorted(self._profiles.paths), *self._probes()),
            nodes=tuple(node.name for node in nodes),
            objects=exercise.objects(),
            workloads=exercise.workloads(),
        )
        self._journal = journal
        try:
            journals.write(self._kube, journal)
        except Conflict:
            self._journal = None  # it is another session's, and so is all that it names
            raise

    def _record(self, objects: tuple[JournalObject, ...]) -> None:
        assert self._journal is not None, "the journal comes first"
        self._journal = msgspec.structs.replace(self._journal, objects=objects)
        journals.update(self._kube, self._journal)

    def _place(self, nodes: Sequence[Node], *, everywhere: bool) -> list[NodeOutcome]:
        """The files of every node; a file's name follows from its content, so what is there already is the same.

        :param everywhere: no node may be without.
        """
        stop = self._interrupts.stop
        placed = place(
            self._kube,
            self._session,
            [(node, self._profiles.files_on(node)) for node in nodes],
            image=self._plan.images.installer,
            force=True,
            recorded=self._recorded(),
            progress=self._progress,
            stop=stop,
        )
        outcomes = _by_node(placed)
        failed = [one for one in outcomes if not one.ok]
        if not stop.is_set() and (len(failed) == len(outcomes) or (everywhere and failed)):
            reasons = sorted({one.detail for one in failed})
            if everywhere:
                reasons = [f"{one.node}: {one.detail}" for one in failed]
            raise WrongState(
                f"The audit profile could not be placed on {'every' if everywhere else 'any'} node.",
                why="; ".join(reasons[:_REASONS_SHOWN]) + ("; pods may land on any of them." if everywhere else ""),
                fix="An image that cannot be pulled is replaced with --installer-image.",
            )
        return outcomes

    def _probes(self) -> tuple[str, ...]:
        return (probe_path(self._session),) if self._plan.mode == "canary" else ()

    def _recorded(self) -> frozenset[Action]:
        """What the kernels of the nodes have to write down for the audit to see anything."""
        return self._profiles.denials if self._plan.mode == "canary" else frozenset({Action.LOG})

    def _require_canary(self, nodes: Sequence[Node]) -> None:
        """Find out on the nodes whether their runc takes a canary: where it does not, no container would start.

        :raises Unsupported: one does not.
        """
        if self._plan.mode != "canary" or self._interrupts.stop.is_set():
            return
        refusals = canary_refusals(
            self._kube,
            self._session,
            nodes,
            actions=self._profiles.denials,
            image=self._plan.images.installer,
            progress=self._progress,
            stop=self._interrupts.stop,
        )
        if refusals and not self._interrupts.stop.is_set():
            shown = [f"{node}: {why}" for node, why in sorted(refusals.items())[:_REASONS_SHOWN]]
            more = f"; and {len(refusals) - len(shown)} more" if len(refusals) > len(shown) else ""
            raise Unsupported(
                "Not every node can run a canary.",
                why="; ".join(shown) + more,
                fix="Upgrade their node images, leave their pools out with --nodepool-name, or use --mode audit.",
            )

    def _targets(self, nodes: Sequence[Node], exercise: Exercise) -> Targets:
        reasons = {node.name: "it runs on a virtual node" for node in nodes if node.virtual}
        reasons |= {node.name: "it runs on Windows, which has no seccomp" for node in nodes if node.os == "windows"}
        return Targets(
            self._kube,
            exercise.selection,
            self._profiles.paths,
            lambda node: reasons.get(node, ""),
            exercise.stand_ins(),
        )

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
        self,
        chosen: Chosen,
        outcomes: Sequence[NodeOutcome],
        exercise: Exercise,
        targets: Targets,
        watched: Watched,
    ) -> JsonObject:
        workloads = self._doubted(exercise.described(targets.workloads()), watched.unknown_events)
        by_key = {one.key: one for one in workloads}

        def workload_of(namespace: str, pod: str) -> Workload | None:
            owner = targets.owner_of(namespace, pod)
            return None if owner is None else by_key.get((owner.namespace, owner.kind, owner.name))

        report: dict[str, Any] = build(
            Run(
                self._session,
                self._cluster.facts,
                self._plan.choice.identity,
                self._plan.mode,
                watched.started_ns,
                watched.ended_ns,
            ),
            watched.findings,
            workloads=workloads,
            workload_of=workload_of,
            rule=ProfileRule(self._profiles, targets.profile_of),
            nodes=_coverage(chosen, outcomes, watched),
            not_auditable=[*exercise.not_auditable(), *targets.not_auditable()],
            advice=advice,
        )
        report["profile"] |= {"localhostProfile": self._only_path(), "variants": self._profiles.rows()}
        report["notes"] = notes(
            variant_notes=self._profiles.notes,
            only_logs=self._profiles.only_logs,
            early=watched.early,
            running_before=targets.running_before(),
            confined_before=exercise.confined_before() if self._plan.mode == "audit" else (),
            unfinished=self._unfinished,
            nothing_selected=not workloads,
            kept=self._cleanup() if self._plan.keep else "",
            removals=self._removals,
            cluster=self._cluster,
        )
        report["next"] = next_commands(report, self._plan, self._cluster)
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

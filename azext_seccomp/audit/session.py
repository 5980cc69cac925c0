# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One audit from beginning to end: the order of its steps, and that everything it makes is removed on every way out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.applied import AppliedManifest
from azext_seccomp.audit.cleanup import left_behind
from azext_seccomp.audit.conclusion import Conclusion
from azext_seccomp.audit.exercise import Exercise
from azext_seccomp.audit.heartbeat import heartbeat
from azext_seccomp.audit.interrupts import Interrupts
from azext_seccomp.audit.journal import Journal
from azext_seccomp.audit.newcomers import Newcomers, Reception, require_watch
from azext_seccomp.audit.open_journal import OpenJournal
from azext_seccomp.audit.placing import Placing
from azext_seccomp.audit.plan import Cluster, Listener, Plan
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.removal import Removal
from azext_seccomp.audit.switched import SwitchedWorkloads
from azext_seccomp.audit.targets import Targets
from azext_seccomp.audit.undo import remove_own_pods, undo
from azext_seccomp.audit.watch import Watch
from azext_seccomp.cluster.interface import JsonObject, Kube
from azext_seccomp.cluster.namespace import ensure_namespace, release_namespace
from azext_seccomp.errors import SeccompError
from azext_seccomp.gadget.collectors import Pace
from azext_seccomp.gadget.timestamps import utc_millisecond
from azext_seccomp.node.inventory import Chosen, Node, choose, is_usable, read_nodes
from azext_seccomp.node.paths import audit_directory
from azext_seccomp.node.soundness import require_sound
from azext_seccomp.progress import Progress
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.find import find

_JOURNAL_LOST = "Somebody removed the journal of this session while it ran, so it ended early."


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
        self._journal = OpenJournal(kube, session)
        self._removals: list[Removal] = []
        self._said: list[str] = []

    def run(self) -> JsonObject:
        """Audit, and return the report.

        :raises SeccompError: the audit could not take place. Whatever was made is removed.
        """
        self._progress.step("Looking at the nodes")
        nodes = read_nodes(self._kube)
        chosen = choose(nodes, self._plan.nodepools)
        journals.require_unused(self._kube, self._session)
        exercise = self._exercise()
        self._profiles = self._profile_set(chosen.usable, exercise)
        exercise.prepare(self._profiles)
        if exercise.anywhere:
            require_watch(self._kube, chosen.usable[0].name)
        cleanup = self._cluster.az("cleanup")
        for session, sentence in left_behind(self._kube):
            self._said.append(f"{sentence} Put right what it left: {cleanup} --session {session}")
        self._said += exercise.remarks()
        for text in self._said:
            self._listener.notice(text)
        planned = exercise.planned()
        if planned:
            self._listener.agree(planned)
        placing = Placing(
            self._kube,
            self._session,
            self._plan,
            self._profiles,
            chosen.usable,
            exercise.anywhere,
            self._progress,
            self._interrupts.stop,
        )
        with self._interrupts:
            ensure_namespace(self._kube)
            try:
                placing.require_admission(exercise.selection)
                return self._run(nodes, chosen, exercise, placing)
            finally:
                release_namespace(self._kube)

    def _run(self, nodes: Sequence[Node], chosen: Chosen, exercise: Exercise, placing: Placing) -> JsonObject:
        targets = self._targets(nodes, exercise)
        # The removal is part of the session's life: nobody else is to clear up behind it at the same time.
        with heartbeat(self._kube, self._session, self._journal_lost), self._undone(nodes):
            self._journal.begin(self._entry(placing, exercise))
            placing.require_canary()
            outcomes = placing.place()
            placed = [node for node, outcome in zip(chosen.usable, outcomes, strict=True) if outcome.ok]
            with self._reception(chosen, exercise, placing) as reception:
                watch = Watch(
                    self._kube,
                    self._session,
                    self._plan,
                    targets,
                    exercise=exercise,
                    record=self._journal.record,
                    between=reception.welcome,
                    listener=self._listener,
                    progress=self._progress,
                    stop=self._interrupts.stop,
                    pace=self._pace,
                )
                watched = watch.run(placed, lambda: self._listener.ready(self._profiles.only_path, self._plan.seconds))
        return Conclusion(
            self._session,
            self._plan,
            self._cluster,
            self._profiles,
            exercise,
            chosen,
            outcomes,
            reception.joined,
            targets,
            watched,
            self._removals,
            self._said,
            self._cleanup(),
        ).report()

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
                vouch=self._journal.vouch,
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

    def _entry(self, placing: Placing, exercise: Exercise) -> Journal:
        return Journal(
            session=self._session,
            version=journals.VERSION,
            command="audit",
            started_at=utc_millisecond(time.time_ns()),
            installer_image=self._plan.images.installer,
            files=placing.paths,
            nodes=tuple(node.name for node in placing.nodes),
            objects=exercise.objects(),
            workloads=exercise.workloads(),
        )

    def _journal_lost(self) -> None:
        """In a thread. Somebody took this session for dead and cleared up after it: nothing more may be changed."""
        if self._journal.is_missed() and _JOURNAL_LOST not in self._said:
            self._said.append(_JOURNAL_LOST)
            self._interrupts.stop.set()

    @contextmanager
    def _reception(self, chosen: Chosen, exercise: Exercise, placing: Placing) -> Iterator[Reception]:
        """Where pods may land on any node, those that become ready later are of interest too."""
        if not exercise.anywhere:
            yield Reception(None, placing, self._journal.add_nodes)
            return
        known = [node.name for node in chosen.usable]
        with Newcomers(self._kube, known, lambda node: is_usable(node, self._plan.nodepools)) as newcomers:
            reception = Reception(newcomers, placing, self._journal.add_nodes)
            yield reception
        self._said += reception.problems

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
            broken_off = not isinstance(error, SeccompError) and self._journal.entry is not None
            if broken_off:
                self._listener.notice("Broken off. What was made and changed is being put right.")
            with self._interrupts.shielded():
                left = self._undo(nodes)
                if broken_off:
                    self._listener.notice(self._not_right() if left else "Everything is as it was before.")
            if left and isinstance(error, SeccompError):
                error.fix = " ".join(filter(None, (error.fix, f"Then remove what was left: {self._cleanup()}.")))
            raise
        with self._interrupts.shielded():
            if self._undo(nodes, keep=self._plan.keep):
                self._listener.notice(self._not_right())

    def _undo(self, nodes: Sequence[Node], *, keep: bool = False) -> bool:
        """True when something could not be removed."""
        entry = self._journal.entry
        if entry is None:
            return False
        self._journal.close()
        try:
            if keep:
                remove_own_pods(self._kube, self._session)
                self._journal.keep()
            else:
                nodes = self._nodes_now(nodes, entry.nodes)
                self._removals = undo(self._kube, entry, nodes, progress=self._progress)
        except SeccompError as error:
            self._removals = [Removal("Session", self._session, "failed", str(error))]
        except BaseException:  # a second Ctrl-C: not even the clearing up came to its end
            self._listener.notice(self._not_right())
            raise
        return any(one.status == "failed" for one in self._removals)

    def _nodes_now(self, before: Sequence[Node], with_files: Sequence[str]) -> Sequence[Node]:
        """Those that joined have files too."""
        if {node.name for node in before}.issuperset(with_files):
            return before
        try:
            return read_nodes(self._kube)
        except SeccompError:
            return before

    def _not_right(self) -> str:
        return f"What this audit made and changed is not all put right. Do it with: {self._cleanup()}"

    def _cleanup(self) -> str:
        return self._cluster.az("cleanup") + f" --session {self._session}"

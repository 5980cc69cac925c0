# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The profiles of an audit on their way to the nodes, and what the nodes have to be able to do with them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from azext_seccomp.audit.plan import Plan, Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.watch import gadget_options
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.namespace import while_it_lasts
from azext_seccomp.cluster.preflight import refused_pools
from azext_seccomp.errors import Unsupported, WrongState
from azext_seccomp.gadget.manifest import collector_pod
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.placement import NodeOutcome, place
from azext_seccomp.node.probe import canary_refusals, probe_path
from azext_seccomp.profile.model import Action
from azext_seccomp.progress import Progress

_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Placing:
    """The nodes of one session and what they get.

    :param everywhere: no node may be without: pods may land on any of them.
    """

    kube: Kube
    session: str
    plan: Plan
    profiles: ProfileSet
    nodes: Sequence[Node]
    everywhere: bool
    progress: Progress
    stop: threading.Event

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file that a node may get, for the journal."""
        probe = (probe_path(self.session),) if self.plan.mode == "canary" else ()
        return (*sorted(self.profiles.paths), *probe)

    def require_admission(self, selection: Selection) -> None:
        """Ask whether collectors would be admitted, before anything is made; installers ask for themselves.

        :raises SeccompError: they would be refused on every node pool.
        """
        first_of_pool = {node.pool: node for node in reversed(self.nodes)}
        options = gadget_options(self.plan, selection)
        pods = {
            pool: collector_pod(node.name, self.session, options, node.taints) for pool, node in first_of_pool.items()
        }
        while_it_lasts(self.kube, lambda: refused_pools(self.kube, pods))

    def require_canary(self) -> None:
        """Find out on the nodes whether their runc takes a canary: where it does not, no container would start.

        :raises Unsupported: one does not.
        """
        if self.plan.mode != "canary" or self.stop.is_set():
            return
        refusals = canary_refusals(
            self.kube,
            self.session,
            self.nodes,
            actions=self.profiles.denials,
            image=self.plan.images.installer,
            progress=self.progress,
            stop=self.stop,
        )
        if refusals and not self.stop.is_set():
            raise Unsupported(
                "Not every node can run a canary.",
                why=_shown([f"{node}: {why}" for node, why in sorted(refusals.items())]),
                fix="Upgrade their node images, use --mode audit, or leave their pools out with --nodepool-name; "
                "workloads have to be bound to the other pools by a nodeSelector then.",
            )

    def place(self) -> list[NodeOutcome]:
        """One outcome for each node: of a file that it has not got, if there is one. A file's name follows from its
        content, so what is there already is the same.

        :raises WrongState: no node has got its files, or one has not that may not be without.
        """
        outcomes = self.place_on(self.nodes)
        failed = [one for one in outcomes if not one.ok]
        if self.stop.is_set() or not failed:
            return outcomes
        fix = "An image that cannot be pulled is replaced with --installer-image."
        if self.everywhere:
            raise WrongState(
                "The audit profile could not be placed on every node, and pods may land on any of them.",
                why=_shown([f"{one.node}: {one.detail}" for one in failed]),
                fix=fix,
            )
        if len(failed) == len(outcomes):
            why = _shown(sorted({one.detail for one in failed}))
            raise WrongState("The audit profile could not be placed on any node.", why=why, fix=fix)
        return outcomes

    def place_on(self, nodes: Sequence[Node]) -> list[NodeOutcome]:
        """As ``place``, on other nodes of the profile set, and without a judgement."""
        placed = place(
            self.kube,
            self.session,
            [(node, self.profiles.files_on(node)) for node in nodes],
            image=self.plan.images.installer,
            force=True,
            recorded=self.profiles.denials if self.plan.mode == "canary" else {Action.LOG},
            progress=self.progress,
            stop=self.stop,
        )
        return _by_node(placed)


def _by_node(outcomes: Sequence[NodeOutcome]) -> list[NodeOutcome]:
    worst: dict[str, NodeOutcome] = {}
    for one in outcomes:
        if one.node not in worst or not one.ok:
            worst[one.node] = one
    return list(worst.values())


def _shown(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    return "; ".join(reasons[:_REASONS_SHOWN]) + more

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What a report says beside its figures: sentences for an operator."""

from collections.abc import Iterable, Sequence

from azext_seccomp.audit.plan import Cluster
from azext_seccomp.audit.removal import Removal

_FAILED_SHOWN = 3


def notes(
    *,
    variant_notes: Iterable[str],
    only_logs: bool,
    early: bool,
    running_before: int,
    nothing_selected: bool,
    kept: str,
    removals: Sequence[Removal],
    cluster: Cluster,
) -> list[str]:
    """Everything that limits the result or is left to do.

    :param variant_notes: of the audit variant of the profile.
    :param only_logs: the profile is an audit profile itself.
    :param running_before: pods that ran already when the watching began.
    :param kept: the command that removes what ``--keep`` left; empty when nothing was to be kept.
    """
    said = list(variant_notes)
    if only_logs:
        said.append(
            "The profile refuses nothing and logs something: the calls that it logs are taken for blocked ones."
        )
    if early:
        said.append("The audit was interrupted and ended early.")
    if nothing_selected:
        said.append("No container ran under the audit profile among the pods that were selected, so nothing is known.")
    if running_before:
        pods = "1 pod was" if running_before == 1 else f"{running_before} pods were"
        said.append(f"{pods} running when the audit began: what they did at their start was not seen.")
    if kept:
        said.append(f"What was applied and the audit profile are kept. Remove them: {kept}")
    return said + _left(removals, cluster)


def _left(removals: Sequence[Removal], cluster: Cluster) -> list[str]:
    said = []
    for one in removals:
        if one.status == "kept" and one.kind == "File":
            command = cluster.az("profile remove") + f" --path {one.name}"
            said.append(f"{one.name} stays on the nodes: {one.detail}. Remove it later: {command}")
        elif one.status == "kept":
            said.append(f"{one.kind} {one.name} stays: {one.detail}.")
    failed = [one for one in removals if one.status == "failed"]
    if failed:
        named = "; ".join(
            f"{one.kind} {one.name}{f' on {one.node}' if one.node else ''} ({one.detail})"
            for one in failed[:_FAILED_SHOWN]
        )
        said.append(f"Not everything could be removed: {named}. Try again: {cluster.az('cleanup')}")
    return said

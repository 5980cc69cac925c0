# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp profile place | list | remove``: profile files on the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from knack.log import get_logger

from azext_seccomp._clients import reach_cluster
from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import name_of, read_file
from azext_seccomp._progress import terminal_progress
from azext_seccomp._signals import orderly_end

if TYPE_CHECKING:
    from azext_seccomp.cluster.interface import Kube
    from azext_seccomp.node.inventory import Chosen
    from azext_seccomp.node.placement import NodeOutcome
    from azext_seccomp.progress import Progress

logger = get_logger(__name__)

_SOME_FAILED = 1


class _Cluster(NamedTuple):
    """A cluster whose nodes can be worked on."""

    kube: Kube
    chosen: Chosen
    session: str
    progress: Progress


def place_profile(
    cmd: Any,
    resource_group_name: str,
    name: str,
    profile: str,
    as_name: str | None = None,
    nodepool_name: Sequence[str] = (),
    force: bool = False,
    installer_image: str | None = None,
    admin: bool = False,
) -> list[dict[str, Any]]:
    from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE
    from azext_seccomp.node.paths import profile_file
    from azext_seccomp.node.placement import place
    from azext_seccomp.node.soundness import require_sound
    from azext_seccomp.profile import codec

    content = read_file(profile)
    parsed = codec.decode(content, name_of(profile))
    file = profile_file(content, as_name)
    image = installer_image or DEFAULT_INSTALLER_IMAGE
    with _cluster(cmd, resource_group_name, name, nodepool_name, admin) as (kube, chosen, session, progress):
        require_sound(parsed, name_of(profile), chosen.usable)
        placements = [(node, [file]) for node in chosen.usable]
        outcomes = place(kube, session, placements, image=image, force=force, progress=progress)
    return _outcome_rows(cmd, outcomes, chosen)


def list_profiles(
    cmd: Any,
    resource_group_name: str,
    name: str,
    nodepool_name: Sequence[str] = (),
    installer_image: str | None = None,
    admin: bool = False,
) -> list[dict[str, Any]]:
    from azext_seccomp.node.listing import rows
    from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE
    from azext_seccomp.node.placement import list_files

    image = installer_image or DEFAULT_INSTALLER_IMAGE
    with _cluster(cmd, resource_group_name, name, nodepool_name, admin) as (kube, chosen, session, progress):
        listings = list_files(kube, session, chosen.usable, image=image, progress=progress)
    if any(one.failure for one in listings):
        exit_after_output(cmd.cli_ctx, _SOME_FAILED)
    return rows(listings, chosen.skipped)


def remove_profile(
    cmd: Any,
    resource_group_name: str,
    name: str,
    path: Sequence[str] = (),
    as_name: Sequence[str] = (),
    all_ours: bool = False,
    nodepool_name: Sequence[str] = (),
    force: bool = False,
    installer_image: str | None = None,
    admin: bool = False,
) -> list[dict[str, Any]]:
    from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE
    from azext_seccomp.node.paths import own_path, stable_path
    from azext_seccomp.node.placement import remove
    from azext_seccomp.node.users import require_unused

    paths = None if all_ours else [*map(own_path, path or ()), *map(stable_path, as_name or ())]
    image = installer_image or DEFAULT_INSTALLER_IMAGE
    with _cluster(cmd, resource_group_name, name, nodepool_name, admin) as (kube, chosen, session, progress):
        if not force:
            require_unused(kube, chosen.usable, paths)
        outcomes = remove(kube, session, chosen.usable, paths, image=image, progress=progress)
    return _outcome_rows(cmd, outcomes, chosen)


@contextmanager
def _cluster(cmd: Any, group: str, name: str, pools: Sequence[str], admin: bool) -> Iterator[_Cluster]:
    """Reach the cluster, choose its nodes, and have the namespace for as long as it is needed."""
    from azext_seccomp.cluster.namespace import ensure_namespace, new_session_id, release_namespace
    from azext_seccomp.node.inventory import choose, read_nodes

    session = new_session_id()
    with orderly_end(), terminal_progress(cmd.cli_ctx) as progress:
        progress.step("Reaching the cluster")
        with reach_cluster(cmd, group, name, admin) as reached:
            kube = reached.kube
            chosen = choose(read_nodes(kube), pools or ())
            ensure_namespace(kube)
            try:
                yield _Cluster(kube, chosen, session, progress)
            except (KeyboardInterrupt, SystemExit):
                _farewell(kube, session)
                raise
            finally:
                release_namespace(kube)


def _farewell(kube: Kube, session: str) -> None:
    """Tell somebody who ended the command what became of its work: az itself says nothing then."""
    from azext_seccomp.cluster.pods import remains

    if remains(kube, session):
        logger.error("Ended early. Some of what it made in the cluster may be left: az aks seccomp cleanup removes it.")
    else:
        logger.error("Ended early. What it made in the cluster was cleared up; what is done on nodes stays done.")


def _outcome_rows(cmd: Any, outcomes: Sequence[NodeOutcome], chosen: Chosen) -> list[dict[str, Any]]:
    if not all(one.ok for one in outcomes):
        exit_after_output(cmd.cli_ctx, _SOME_FAILED)
    return [*map(_outcome_row, outcomes), *_skipped_rows(chosen)]


def _outcome_row(one: NodeOutcome) -> dict[str, Any]:
    from azext_seccomp.cluster.text import printable

    path = printable(one.path, 512)
    return {
        "node": one.node,
        "nodePool": one.pool,
        "status": one.status,
        "localhostProfile": path,
        "sha256": one.sha256,
        "detail": one.detail,
    }


def _skipped_rows(chosen: Chosen) -> Iterable[dict[str, Any]]:
    for node, reason in chosen.skipped:
        yield {
            "node": node.name,
            "nodePool": node.pool,
            "status": "skipped",
            "localhostProfile": "",
            "sha256": "",
            "detail": reason,
        }

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The arguments. Each group of commands has a function of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.cli.core.commands.parameters import get_resource_name_completion_list, resource_group_name_type
from knack.arguments import CLIArgumentType

from azext_seccomp._params_audit import load_audit_arguments
from azext_seccomp._params_profile import load_profile_arguments
from azext_seccomp._params_try import load_try_arguments

if TYPE_CHECKING:
    from azext_seccomp import SeccompCommandsLoader

CLUSTER_NAME = CLIArgumentType(
    options_list=["--name", "-n"],
    help="Name of the managed cluster.",
    completer=get_resource_name_completion_list("Microsoft.ContainerService/ManagedClusters"),
)
ADMIN = CLIArgumentType(
    options_list=["--admin", "-a"],
    action="store_true",
    help="Use the cluster's admin credential instead of that of the signed-in account. Refused by clusters whose local "
    "accounts are disabled.",
)
NODEPOOL_NAME = CLIArgumentType(
    options_list=["--nodepool-name"],
    nargs="+",
    help="Names of the node pools whose nodes are used, separated by spaces. Default: every Linux node.",
)

INSTALLER_IMAGE = CLIArgumentType(
    options_list=["--installer-image"],
    help="Image of the pods that work on the files of a node; needs sh and the tools of busybox or coreutils. "
    "Default: mcr.microsoft.com/azurelinux/busybox:1.36.",
)


def load_arguments(loader: SeccompCommandsLoader) -> None:
    """Register the arguments of every command of the extension."""
    _cluster_arguments(loader)
    load_audit_arguments(loader)
    load_try_arguments(loader)
    _placement_arguments(loader)
    load_profile_arguments(loader)


def _cluster_arguments(loader: SeccompCommandsLoader) -> None:
    """What commands that reach a cluster have in common."""
    with loader.argument_context("aks seccomp") as context:
        context.argument("resource_group_name", arg_type=resource_group_name_type)
        context.argument("name", arg_type=CLUSTER_NAME)
        context.argument("admin", arg_type=ADMIN)
        context.argument("nodepool_name", arg_type=NODEPOOL_NAME)


def _placement_arguments(loader: SeccompCommandsLoader) -> None:
    """``profile place``, ``profile list``, ``profile remove``."""
    for command in ("place", "list", "remove"):
        with loader.argument_context(f"aks seccomp profile {command}") as context:
            context.argument("installer_image", arg_type=INSTALLER_IMAGE)
    with loader.argument_context("aks seccomp profile place") as context:
        context.argument("profile", help="File with the profile as runtime-spec JSON; - reads standard input.")
        context.argument(
            "as_name",
            options_list=["--as"],
            help="Stable name: the file is placed as aks-seccomp/NAME.json. Default: a name that the content makes, so "
            "that a changed profile never replaces the one that containers use.",
        )
        context.argument(
            "force", action="store_true", help="Replace a file of the same name that has another content on the node."
        )
    with loader.argument_context("aks seccomp profile remove") as context:
        context.argument(
            "path", nargs="+", help="Files as the results of place and list show them, separated by spaces."
        )
        context.argument("as_name", options_list=["--as"], nargs="+", help="Names that were given with place --as.")
        context.argument("all_ours", action="store_true", help="Everything below aks-seccomp/ on the nodes.")
        context.argument("force", action="store_true", help="Remove files although running pods use them.")

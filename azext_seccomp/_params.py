# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The arguments. Each group of commands has a function of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.cli.core.commands.parameters import get_resource_name_completion_list, resource_group_name_type
from knack.arguments import CLIArgumentType

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


def load_arguments(loader: SeccompCommandsLoader) -> None:
    """Register the arguments of every command of the extension."""
    _cluster_arguments(loader)


def _cluster_arguments(loader: SeccompCommandsLoader) -> None:
    """What commands that reach a cluster have in common."""
    with loader.argument_context("aks seccomp") as context:
        context.argument("resource_group_name", arg_type=resource_group_name_type)
        context.argument("name", arg_type=CLUSTER_NAME)
        context.argument("admin", arg_type=ADMIN)
        context.argument("nodepool_name", arg_type=NODEPOOL_NAME)

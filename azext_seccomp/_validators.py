# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Checks of arguments that need nothing but the arguments themselves."""

from __future__ import annotations

from argparse import Namespace

from azure.cli.core.azclierror import MutuallyExclusiveArgumentError, RequiredArgumentMissingError


def validate_removal(namespace: Namespace) -> None:
    """``profile remove`` takes names and paths, or everything, and never guesses."""
    named = bool(namespace.path or namespace.as_name)
    if named and namespace.all_ours:
        raise MutuallyExclusiveArgumentError("--all-ours cannot be used together with --path or --as.")
    if not named and not namespace.all_ours:
        raise RequiredArgumentMissingError(
            "Name the files to remove with --path or --as, or use --all-ours.",
            recommendation="az aks seccomp profile list shows what is on the nodes.",
        )

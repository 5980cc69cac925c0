# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Checks of arguments that need nothing but the arguments themselves."""

from __future__ import annotations

from argparse import Namespace

from azure.cli.core.azclierror import (
    InvalidArgumentValueError,
    MutuallyExclusiveArgumentError,
    RequiredArgumentMissingError,
)


def validate_audit(namespace: Namespace) -> None:
    """``audit`` takes either the pods that a manifest makes, or those that are selected."""
    _validate_dependencies(namespace)
    _refuse_empty(namespace, "namespace", "session", "selector")
    if namespace.namespace and namespace.all_namespaces:
        raise MutuallyExclusiveArgumentError("--namespace cannot be used together with --all-namespaces.")
    if namespace.manifest and (namespace.selector or namespace.pod_name or namespace.all_namespaces):
        raise MutuallyExclusiveArgumentError(
            "--manifest cannot be used together with --selector, --pod-name or --all-namespaces.",
            recommendation="With a manifest, the pods that it makes are audited.",
        )
    if namespace.workload:
        _validate_workloads(namespace)
    elif namespace.include_system or namespace.rollout_timeout:
        option = "--include-system" if namespace.include_system else "--rollout-timeout"
        raise RequiredArgumentMissingError(
            f"{option} needs --workload.", recommendation="It is about workloads that are changed for the audit."
        )
    if namespace.manifest == "-" and namespace.profile == "-":
        raise MutuallyExclusiveArgumentError("--manifest and --profile cannot both be read from standard input.")


def _validate_workloads(namespace: Namespace) -> None:
    if namespace.manifest or namespace.pod_name:
        option = "--manifest" if namespace.manifest else "--pod-name"
        raise MutuallyExclusiveArgumentError(f"--workload cannot be used together with {option}.")
    if namespace.keep:
        raise MutuallyExclusiveArgumentError(
            "--keep cannot be used together with --workload.",
            recommendation="A workload is always put back as it was. To leave a profile on the nodes: profile place.",
        )
    if namespace.selector and any("/" in word for word in namespace.workload):
        raise MutuallyExclusiveArgumentError(
            "--selector cannot be used together with the name of a workload.",
            recommendation="Give kinds alone: --workload deployment.",
        )
    if namespace.all_namespaces and any("/" in word for word in namespace.workload):
        raise MutuallyExclusiveArgumentError(
            "--all-namespaces cannot be used together with the name of a workload.",
            recommendation="Name its namespace with --namespace, or give kinds alone: --workload deployment.",
        )


def _validate_dependencies(namespace: Namespace) -> None:
    """Options that the profile does not depend on would be passed over in silence."""
    from azext_seccomp.profile.source import is_runtime_default

    of_containerd = is_runtime_default(namespace.profile)
    if namespace.containerd_version and not of_containerd:
        raise MutuallyExclusiveArgumentError(
            "--containerd-version cannot be used together with a file.",
            recommendation="It tells which RuntimeDefault is meant: --profile RuntimeDefault.",
        )
    if namespace.docker_format and of_containerd:
        raise MutuallyExclusiveArgumentError(
            "--docker-format cannot be used together with RuntimeDefault.",
            recommendation="It tells in which format a file is.",
        )


def validate_cleanup(namespace: Namespace) -> None:
    """An empty ``--session`` would mean all of them."""
    _refuse_empty(namespace, "session")


def _refuse_empty(namespace: Namespace, *options: str) -> None:
    for option in options:
        if getattr(namespace, option) == "":  # mostly a variable of a script that has no value
            raise InvalidArgumentValueError(f"--{option} is empty.", recommendation="Give it a value, or leave it out.")


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


def validate_conversion(namespace: Namespace) -> None:
    """``profile convert`` takes what only an enforcing profile needs for nothing else, where it would do nothing."""
    collect_options(namespace)
    denies = namespace.action is not None or namespace.errno is not None
    if denies and namespace.to != "enforce":
        raise MutuallyExclusiveArgumentError(
            f"--action and --errno cannot be used together with --to {namespace.to}.",
            recommendation="They tell how an enforcing profile denies: --to enforce.",
        )
    if namespace.errno is not None and (namespace.action or "ERRNO").upper() != "ERRNO":
        raise MutuallyExclusiveArgumentError(
            f"--errno cannot be used together with --action {namespace.action}.",
            recommendation="Only ERRNO, the default, answers with an error.",
        )


def collect_options(namespace: Namespace) -> None:
    """Put all that a profile may depend on into one object, for the handler to receive as ``options``."""
    from azext_seccomp.profile.source import Options

    given = vars(namespace)
    namespace.options = Options(
        arch=str(given.pop("arch")),  # az marks its defaults, and prints the mark
        containerd_version=given.pop("containerd_version"),
        cap_add=tuple(given.pop("cap_add") or ()),
        cap_drop=tuple(given.pop("cap_drop") or ()),
        docker_format=given.pop("docker_format"),
        kernel=given.pop("kernel"),
    )

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The command table. Each group of commands has a function of its own; its handlers live in the module named there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.cli.core.commands import CliCommandType

from azext_seccomp._errors_map import raise_for_az
from azext_seccomp._format import (
    change_table,
    file_table,
    overview_table,
    placement_table,
    refinement_table,
    rule_table,
    validation_table,
)
from azext_seccomp._format_audit import audit_table, cleanup_table
from azext_seccomp._format_try import try_table
from azext_seccomp._validators import (
    collect_options,
    validate_audit,
    validate_cleanup,
    validate_conversion,
    validate_removal,
)

if TYPE_CHECKING:
    from azext_seccomp import SeccompCommandsLoader


def load_command_table(loader: SeccompCommandsLoader) -> None:
    """Register every command of the extension."""
    _audit(loader)
    _try(loader)
    _placement(loader)
    _offline(loader)
    _groups(loader)


def _groups(loader: SeccompCommandsLoader) -> None:
    """What the groups are. For az the last registration of a group counts, so this one comes after the commands."""
    with loader.command_group("aks seccomp", is_preview=True):
        pass
    with loader.command_group("aks seccomp profile", is_preview=True):
        pass


def _audit(loader: SeccompCommandsLoader) -> None:
    """The main job, and the end of what is left of it."""
    with loader.command_group("aks seccomp", _handlers("custom_audit")) as group:
        group.command("audit", "audit_cluster", table_transformer=audit_table, validator=validate_audit)
        group.command("cleanup", "cleanup_cluster", table_transformer=cleanup_table, validator=validate_cleanup)


def _try(loader: SeccompCommandsLoader) -> None:
    """The same on this machine."""
    with loader.command_group("aks seccomp", _handlers("custom_try")) as group:
        group.command("try", "try_command", table_transformer=try_table)


def _placement(loader: SeccompCommandsLoader) -> None:
    """Profile files on the nodes."""
    with loader.command_group("aks seccomp profile", _handlers("custom_placement")) as group:
        group.command("place", "place_profile", table_transformer=placement_table)
        group.command("list", "list_profiles", table_transformer=file_table)
        group.command(
            "remove",
            "remove_profile",
            table_transformer=placement_table,
            validator=validate_removal,
            confirmation="Remove profile files from the nodes of the cluster?",
        )


def _offline(loader: SeccompCommandsLoader) -> None:
    """Profiles without a cluster."""
    with loader.command_group("aks seccomp profile", _handlers("custom_profile")) as group:
        group.command("render", "render_profile", validator=collect_options, table_transformer=rule_table)
        group.command("validate", "validate_profile", validator=collect_options, table_transformer=validation_table)
        group.show_command("show", "show_profile", validator=collect_options, table_transformer=overview_table)
        group.command("convert", "convert_profile", validator=validate_conversion, table_transformer=rule_table)
        group.command("diff", "diff_profiles", validator=collect_options, table_transformer=change_table)
        group.command("merge", "merge_profiles", validator=collect_options, table_transformer=rule_table)
        group.command("refine", "refine_profile", validator=collect_options, table_transformer=refinement_table)


def _handlers(module: str) -> Any:
    """Handlers from ``azext_seccomp.<module>``, whose errors reach the user in az's own form."""
    return CliCommandType(operations_tmpl=f"azext_seccomp.{module}#{{}}", exception_handler=raise_for_az)

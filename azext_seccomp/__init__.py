# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp``: which system calls a seccomp profile blocks in workloads on AKS, and the change that fixes it.

This module, ``commands`` and ``_help`` are loaded by every ``az aks ...``: they import nothing but azure-cli itself.
"""

from __future__ import annotations

from typing import Any

from azure.cli.core import AzCommandsLoader

from azext_seccomp import _help, _help_profile  # noqa: F401  (loading them registers the help texts)


class SeccompCommandsLoader(AzCommandsLoader):  # type: ignore[misc]  # azure-cli has no type hints
    """What az asks for commands and arguments of this extension."""

    def load_command_table(self, args: list[str] | None) -> dict[str, Any]:
        from azext_seccomp.commands import load_command_table

        load_command_table(self)
        return self.command_table  # type: ignore[no-any-return]

    def load_arguments(self, command: str) -> None:
        from azext_seccomp._params import load_arguments

        load_arguments(self)


COMMAND_LOADER_CLS = SeccompCommandsLoader

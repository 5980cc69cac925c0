# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What az knows of the extension's commands, read from az itself."""

import shlex
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS
from knack.help_files import helps

GROUP = "aks seccomp"


@dataclass(frozen=True)
class Example:
    """An example of a help text."""

    command: str
    text: str

    def arguments(self) -> list[str]:
        """The command line without ``az``. A pipe into or out of az is no part of it."""
        words = shlex.split(self.text, comments=True)
        start = words.index("az") + 1
        rest = words[start:]
        ends = [rest.index(word) for word in ("|", ">", "&&") if word in rest]
        return rest[: min(ends, default=len(rest))]


def command_names() -> list[str]:
    """Names of all commands of the extension, as ``aks seccomp audit``."""
    from azext_seccomp import COMMAND_LOADER_CLS

    table = COMMAND_LOADER_CLS(get_default_cli()).load_command_table(None)
    return sorted(table)


def group_names() -> list[str]:
    """Names of the groups that the commands are in."""
    parents = {name.rpartition(" ")[0] for name in command_names()}
    return sorted(parents | {GROUP})


def examples() -> list[Example]:
    """Every example of every command."""
    return [
        Example(name, example["text"].strip())
        for name in command_names()
        for example in yaml.safe_load(helps.get(name, "{}")).get("examples", [])
    ]


def parse(arguments: list[str]) -> Any:
    """What az's own parser makes of a command line. Validators and the command itself do not run.

    :raises SystemExit: az refuses it; the code is az's (2).
    """
    cli = get_default_cli()
    parsed: list[Any] = []

    def stop(_: Any, command: str, args: Any) -> NoReturn:
        parsed.append(args)
        raise SystemExit(0)

    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, stop)
    try:
        cli.invoke(arguments)
    except SystemExit:
        if not parsed:
            raise
    return parsed[0]

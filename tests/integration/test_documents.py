# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the README tells a user to type is what az takes."""

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.commands import Example, command_names, parse

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def typed() -> list[str]:
    """The commands of the extension in the README's blocks of shell."""
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", README, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("az aks seccomp ")]


@pytest.mark.parametrize("line", typed())
def test_command_of_the_readme_parses(line: str) -> None:
    arguments = Example("", line).arguments()
    assert " ".join(arguments).startswith(parse(arguments).command)


def test_readme_names_every_command() -> None:
    words = set(re.findall(r"[a-z]+", README))
    assert {name.split()[-1] for name in command_names()} <= words


def test_samples_are_what_they_are_called() -> None:
    from azext_seccomp.profile import codec

    file = ROOT / "samples" / "deny-list.json"
    assert codec.decode(file.read_bytes(), file.name)
    kinds = [one["kind"] for one in yaml.safe_load_all((ROOT / "samples" / "workload.yaml").read_text())]
    assert kinds == ["Namespace", "Deployment", "Deployment"]

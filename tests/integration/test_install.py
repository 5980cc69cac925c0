# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The extension as az sees it: installed from its wheel, its help, and what it costs the rest of az."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.integration.commands import Example, command_names, examples, group_names, parse
from tests.stand.az import InProcessAz, InstalledAz

#: What nobody pays for before one of our commands runs.
HEAVY = {"kubernetes", "msgspec", "pyseccomp"}
#: What every ``az aks ...`` loads of ours.
FACE = {"azext_seccomp._help", "azext_seccomp.commands"}
#: The layers below the az face.
LAYERS = ("audit", "local", "workload", "gadget", "node", "cluster", "profile")


def test_wheel_has_everything_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"azext_seccomp", "seccomp-1.0.0b1.dist-info"}
    source = Path(__file__).resolve().parents[2] / "azext_seccomp"
    files = {
        path.relative_to(source.parent).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix in (".py", ".json", ".sh") and not any(p.startswith(".") for p in path.parts)
    }
    assert files <= set(names)


def test_az_lists_it_as_preview(installed_az: InstalledAz) -> None:
    listed = installed_az.run("extension", "list", "-o", "json").json
    assert [(one["name"], one["version"], one["preview"], one["extensionType"]) for one in listed] == [
        ("seccomp", "1.0.0b1", True, "whl")
    ]


def test_aks_help_lists_the_group(installed_az: InstalledAz) -> None:
    shown = installed_az.run("aks", "-h")
    assert shown.code == 0
    (line,) = [line for line in shown.out.splitlines() if line.split()[:1] == ["seccomp"]]
    assert "[Preview]" in line


def test_group_help_lists_every_command(installed_az: InstalledAz) -> None:
    shown = installed_az.run("aks", "seccomp", "-h")
    assert shown.code == 0
    assert "This command group is in preview" in shown.out
    direct = {name.split()[2] for name in command_names()}
    assert direct <= {line.split()[0] for line in shown.out.splitlines() if line.strip()}


def test_installed_command_runs(installed_az: InstalledAz) -> None:
    """The wheel brings its dependencies: a command gets as far as the API server that nobody runs."""
    failed = installed_az.run("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", "plain", "--only-show-errors")
    assert failed.code == 1
    assert failed.err.startswith("ERROR: ")
    assert "refuses connections" in failed.err
    assert "Traceback" not in failed.err


@pytest.mark.parametrize("name", [*group_names(), *command_names()])
def test_help(az: InProcessAz, name: str) -> None:
    shown = az(*name.split(), "-h")
    assert shown.code == 0
    assert f"az {name}" in shown.out


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_an_example(name: str) -> None:
    assert [example for example in examples() if example.command == name]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.text)
def test_example_parses(example: Example) -> None:
    assert parse(example.arguments()).command == example.command


@pytest.mark.parametrize("arguments", [("version",), ("group", "list"), ("aks", "-h"), ("aks", "show", "-h")])
def test_other_commands_load_nothing_heavy(installed_az: InstalledAz, arguments: tuple[str, ...]) -> None:
    installed_az.run("aks", "-h")  # az writes down which extensions its groups need
    imported = installed_az.imports(*arguments)
    assert "azure.cli.core" in imported
    assert not HEAVY & imported
    ours = {name for name in imported if name.partition(".")[0] == "azext_seccomp"}
    assert not [name for name in ours if name.removeprefix("azext_seccomp.").split(".")[0] in LAYERS]
    assert ours >= FACE if arguments[0] == "aks" else not ours


def test_help_of_a_command_loads_nothing_heavy(installed_az: InstalledAz) -> None:
    assert not HEAVY & installed_az.imports("aks", "seccomp", "profile", "list", "-h")


@pytest.mark.parametrize("output", ["json", "jsonc", "yaml", "yamlc", "tsv", "table", "none"])
def test_errors_are_the_same_in_every_output_format(az: InProcessAz, output: str) -> None:
    failed = az("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", "no-such-cluster", "-o", output)
    assert failed.code == 3
    assert failed.out == ""
    assert "no-such-cluster" in failed.err


def test_metadata_names_the_oldest_az() -> None:
    file = Path(__file__).resolve().parents[2] / "azext_seccomp" / "azext_metadata.json"
    metadata = json.loads(file.read_text())
    assert metadata["azext.isPreview"] is True
    assert metadata["azext.minCliCoreVersion"]

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the extension costs the rest of az: ``az version`` and ``az aks -h`` with and without it.

    .venv/bin/python benchmarks/az_startup.py [--rounds 15]

Builds the wheel and installs it with ``az extension add``. In each round every command runs once without and once with
the extension, in turns; the numbers are medians, the ratio is that of the medians. Processor time (user and system) is
less disturbed by what else the machine does. Then it shows what each command imported: nothing heavy, and for commands
outside ``az aks`` nothing of ours.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (("version",), ("aks", "-h"), ("aks", "show", "-h"))
HEAVY = ("kubernetes", "msgspec", "pyseccomp")


class Az:
    """az with a state of its own.

    :param directory: for the state.
    :param wheel: extension to install; none for the plain az.
    """

    def __init__(self, directory: Path, wheel: Path | None) -> None:
        (directory / "config").mkdir(parents=True)
        self._environment = {
            **os.environ,
            "AZURE_CONFIG_DIR": str(directory / "config"),
            "AZURE_EXTENSION_DIR": str(directory / "extensions"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
        }
        self._environment.pop("AZURE_EXTENSION_DEV_SOURCES", None)
        if wheel:
            self.run("extension", "add", "--yes", "--source", str(wheel))
        for command in COMMANDS:  # az writes its indexes and byte code
            self.run(*command)

    def run(self, *command: str, python: Sequence[str] = ()) -> str:
        """Run a command to its end; returns what it wrote to stderr."""
        argv = [sys.executable, "-I", *python, "-m", "azure.cli", *command]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=True).stderr

    def cost(self, *command: str) -> tuple[float, float]:
        """Seconds that a command takes, and seconds of processor time that it uses."""
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        self.run(*command)
        taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        return taken, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def imports(self, *command: str) -> list[str]:
        """Names of all modules that a command imports."""
        lines = self.run(*command, python=("-X", "importtime")).splitlines()
        return [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]


def build_wheel(directory: Path) -> Path:
    source = directory / "source"
    shutil.copytree(ROOT / "azext_seccomp", source / "azext_seccomp", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "HISTORY.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(source)]
    subprocess.run(argv, check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def compare(plain: Az, extended: Az, rounds: int) -> None:
    costs: dict[tuple[str, ...], list[tuple[tuple[float, float], tuple[float, float]]]]
    costs = {command: [] for command in COMMANDS}
    for _ in range(rounds):
        for command, measured in costs.items():
            measured.append((plain.cost(*command), extended.cost(*command)))
    say(f"medians of {rounds} rounds in turns")
    say(f"{'command':16} {'':10} {'without':>10} {'with':>10} {'ratio':>7}")
    for command, measured in costs.items():
        for position, kind in enumerate(("time", "processor")):
            before, after = (statistics.median(pair[side][position] for pair in measured) for side in (0, 1))
            words = f"{' '.join(command):16} {kind:10}"
            say(f"{words} {before * 1000:7.0f} ms {after * 1000:7.0f} ms {after / before:7.3f}")


def show_imports(extended: Az) -> None:
    for command in COMMANDS:
        imported = extended.imports(*command)
        heavy = [name for name in imported if name.partition(".")[0] in HEAVY]
        ours = [name for name in imported if name.partition(".")[0] == "azext_seccomp"]
        say(
            f"az {' '.join(command)}: {len(imported)} modules, of ours {len(ours)}, heavy: {', '.join(heavy) or 'none'}"
        )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="What the extension costs the rest of az.")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        extended = Az(directory / "with", build_wheel(directory))
        compare(Az(directory / "without", None), extended, options.rounds)
        show_imports(extended)


if __name__ == "__main__":
    main()

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How long ``az aks seccomp profile show`` takes as a whole, beside ``az aks command -h``, which does next to nothing.

    .venv/bin/python benchmarks/profile_show.py [--rounds 15]

The extension is installed from its wheel. The commands run in turns; the numbers are medians, of the time that passed
and of the processor time of the process (which other work on the machine disturbs less).
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from az_startup import Az, build_wheel, say

SHOW = ("aks", "seccomp", "profile", "show", "--profile", "RuntimeDefault", "--containerd-version", "2.2.4")
COMMANDS = {
    "aks command -h": ("aks", "command", "-h"),
    "profile show": SHOW,
    "profile show -o table": (*SHOW, "-o", "table"),
}


def measure(az: Az, command: tuple[str, ...]) -> tuple[float, float]:
    """Seconds that passed, and seconds of processor time of the child."""
    before, start = os.times(), time.perf_counter()
    az.run(*command)
    passed, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return passed, used


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of az aks seccomp profile show.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        az = Az(Path(name) / "az", build_wheel(Path(name)))
        for command in COMMANDS.values():
            az.run(*command)
        times: dict[str, list[tuple[float, float]]] = {label: [] for label in COMMANDS}
        for _ in range(rounds):
            for label, command in COMMANDS.items():
                times[label].append(measure(az, command))
    say(f"{'command':24} {'time':>10} {'ratio':>7} {'processor':>12} {'ratio':>7}   medians of {rounds} rounds")
    medians = {
        label: [statistics.median(values) for values in zip(*rows, strict=True)] for label, rows in times.items()
    }
    base = medians["aks command -h"]
    for label, (passed, used) in medians.items():
        say(f"{label:24} {passed * 1000:7.0f} ms {passed / base[0]:7.3f} {used * 1000:9.0f} ms {used / base[1]:7.3f}")


if __name__ == "__main__":
    main()

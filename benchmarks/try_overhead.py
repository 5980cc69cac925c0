# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How much slower a program runs under ``az aks seccomp try``, and under others that watch its system calls.

    .venv/bin/python benchmarks/try_overhead.py [--rounds 9]

Two programs: one makes system calls that do next to nothing, one forks children that end at once. Each runs bare;
under the filter of RuntimeDefault alone, which a container has as well; under ``try`` with RuntimeDefault where
nothing, and where one round in a hundred, makes a call that the profile refuses; under ``strace -f`` and ``perf
trace`` where they are installed. The program itself takes the time of its loop, so that the start of the watchers
does not count. In each round all run once, in turns. Shown are the median and the fastest, which other work on the
machine disturbs least, per call or child, and the ratios to the bare program in the same run.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from azext_seccomp.audit.report import ProfileIdentity  # noqa: E402
from azext_seccomp.local import kernel  # noqa: E402
from azext_seccomp.local.attempt import Attempt, attempt  # noqa: E402
from azext_seccomp.local.program import compile_profile  # noqa: E402
from azext_seccomp.profile.source import Options, runtime_default  # noqa: E402

LOOPS = {"syscalls": 1_000_000, "forks": 2_000}
SLOWER = {"try, 1 % matches": 4, "strace -f": 20, "perf trace": 20}  # these get that part of the calls
EVERY = 100
VERSION = "2.1.4"

Runner = Callable[[list[str]], None]


def bare(argv: list[str]) -> None:
    subprocess.run(argv, check=True)


def under_filter(argv: list[str]) -> None:
    """What the kernel's part alone costs; a container pays it too."""
    installer = kernel.Installer(compile_profile(runtime_default(Options(containerd_version=VERSION)).profile))
    subprocess.run(argv, preexec_fn=installer.install, check=True)


def under_try(argv: list[str]) -> None:
    source = runtime_default(Options(containerd_version=VERSION))
    identity = ProfileIdentity(source.name, source.sha256, "RuntimeDefault")
    report = attempt(Attempt(source.profile, identity, (), argv, None, False))
    loop, rounds, every = argv[1], int(argv[2]), int(argv[3])
    expected = {"unshare": rounds // every} if every else {}
    found = {one["syscall"]: one["count"] for one in report["findings"]}
    if found != expected:
        raise SystemExit(f"{loop}: {expected} expected, {found} counted")


def under(*words: str) -> Runner:
    return lambda argv: bare([*words, *argv])


def watchers() -> dict[str, tuple[Runner, int]]:
    """All of them, and how often the program makes the refused call."""
    found: dict[str, tuple[Runner, int]] = {
        "bare": (bare, 0),
        "filter alone": (under_filter, 0),
        "try, nothing matches": (under_try, 0),
        "try, 1 % matches": (under_try, EVERY),
    }
    if shutil.which("strace"):
        found["strace -f"] = (under("strace", "-f", "-o", os.devnull), EVERY)
    if shutil.which("perf"):
        found["perf trace"] = (under("perf", "trace", "-o", os.devnull), EVERY)
    return found


def measure(program: Path, loop: str, rounds: int, directory: Path) -> dict[str, list[float]]:
    """Microseconds for one call or child in each round, by watcher."""
    taken: dict[str, list[float]] = {name: [] for name in watchers()}
    for _ in range(rounds):
        for name, (run, every) in watchers().items():
            file = directory / "taken"
            count = LOOPS[loop] // (SLOWER.get(name, 1) if loop == "syscalls" else 1)
            run([str(program), loop, str(count), str(every), str(file)])
            taken[name].append(int(file.read_text()) / 1000 / count)
            file.unlink()
    return taken


def show(loop: str, taken: dict[str, list[float]]) -> None:
    sys.stdout.write(f"\n{loop:24}            median                fastest\n")
    for name, times in taken.items():
        columns = [f"{of(times):9.3f} µs {of(times) / of(taken['bare']):7.2f} x" for of in (statistics.median, min)]
        sys.stdout.write(f"  {name:22} {'   '.join(columns)}\n")
    medians = {name: statistics.median(times) for name, times in taken.items()}
    alone = medians["try, nothing matches"] / medians["filter alone"]
    sys.stdout.write(f"  where nothing matches, try takes {alone:.2f} x the time of the filter alone\n")
    if "strace -f" in medians:
        by_strace, by_try = (medians[name] - medians["bare"] for name in ("strace -f", "try, 1 % matches"))
        sys.stdout.write(f"  strace adds {by_strace:.3f} µs, try at 1 % adds {by_try:.3f} µs\n")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(words).rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        program = directory / "program"
        subprocess.run(["gcc", "-O2", "-o", program, ROOT / "benchmarks" / "try_overhead.c"], check=True)
        for loop in LOOPS:
            show(loop, measure(program, loop, rounds, directory))


if __name__ == "__main__":
    main()

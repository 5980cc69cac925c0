# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How fast the profile engine is on the largest RuntimeDefault there is: decode, validate, build, evaluate.

.venv/bin/python benchmarks/profile_engine.py
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from azext_seccomp.profile import capabilities
from azext_seccomp.profile.codec import decode, encode, inspect
from azext_seccomp.profile.evaluate import Filter
from azext_seccomp.profile.finding import Target
from azext_seccomp.profile.runtime_default import known_versions, render
from azext_seccomp.profile.syscalls import numbers
from azext_seccomp.profile.validate import validate
from azext_seccomp.profile.variants import to_audit

ROUNDS = 30
CALLS = 200_000


def milliseconds(work: Callable[[], object]) -> float:
    """The shortest of several runs, in milliseconds of processor time."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        work()
        best = min(best, (time.process_time_ns() - start) / 1e6)
    return round(best, 3)


def per_second(built: Filter, name: str, args: tuple[int, ...]) -> int:
    """Evaluations per second of processor time."""
    start = time.process_time()
    for _ in range(CALLS):
        built.evaluate(name, args, "amd64")
    return round(CALLS / (time.process_time() - start))


def main() -> int:
    """Print the figures as JSON."""
    candidates = [
        render(version, "amd64", caps).profile
        for version in known_versions()
        for caps in (capabilities.DEFAULT, capabilities.ALL)
    ]
    data = max((encode(profile) for profile in candidates), key=len)
    profile = decode(data, "largest")
    built = Filter(profile, "amd64")
    names = sorted(numbers("amd64"))
    figures = {
        "bytes": len(data),
        "names": sum(len(rule.names) for rule in profile.rules),
        "decode_ms": milliseconds(lambda: inspect(data)),
        "validate_ms": milliseconds(lambda: validate(profile, Target())),
        "build_ms": milliseconds(lambda: Filter(profile, "amd64")),
        "all_syscalls_ms": milliseconds(lambda: [built.evaluate(name) for name in names]),
        "audit_variant_ms": milliseconds(lambda: to_audit(profile)),
        "evaluate_per_second": per_second(built, "read", (0,) * 6),
        "evaluate_conditions_per_second": per_second(built, "personality", (1, 0, 0, 0, 0, 0)),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

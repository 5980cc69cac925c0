# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What the scripts that make the tables of ``azext_seccomp/profile/data`` have in common: their command line."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def main(description: str, target: Path, build: Callable[[Path], str]) -> int:
    """Write the table that ``build`` makes of a checkout, or with --check compare it.

    :param target: the table in this repository.
    :returns: the exit code, 1 when --check found a difference.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = build(arguments.checkout)
    if not arguments.check:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{target.name} differs from the tables of that checkout\n")
    return 1

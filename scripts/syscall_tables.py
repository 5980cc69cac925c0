#!/usr/bin/env python3
# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Regenerate or check azext_seccomp/profile/data/syscalls.json from a checkout of libseccomp.

    scripts/syscall_tables.py CHECKOUT            write the table
    scripts/syscall_tables.py CHECKOUT --check    exit 1 when the table differs

Numbers are those of ``src/syscalls.csv`` at the newest tag (github.com/seccomp/libseccomp); ``since`` is the first
release of the 2.5 and 2.6 series that knows the name.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

from table_script import main

TARGET = Path(__file__).resolve().parent.parent / "azext_seccomp" / "profile" / "data" / "syscalls.json"
#: Releases that came with the node images of AKS, and their successors; the oldest is what every node has.
RELEASES = ("2.5.1", "2.5.2", "2.5.3", "2.5.4", "2.5.5", "2.5.6", "2.6.0", "2.6.1")
#: Columns of the file, in our order, and what ``syscalls.csv`` calls them.
ARCHITECTURES = {"amd64": "x86_64", "i386": "x86", "x32": "x32", "arm64": "aarch64", "arm": "arm"}


def table_at(checkout: Path, release: str) -> dict[str, list[int | None]]:
    """Name to numbers, None where the architecture lacks the syscall."""
    command = ["git", "-C", str(checkout), "show", f"v{release}:src/syscalls.csv"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    header, *rows = csv.reader(text.splitlines())
    columns = [header.index(name) for name in ARCHITECTURES.values()]
    return {row[0]: [None if row[column] == "PNR" else int(row[column]) for column in columns] for row in rows}


def build(checkout: Path) -> str:
    """The text of the data file."""
    tables = {release: table_at(checkout, release) for release in RELEASES}
    newest = tables[RELEASES[-1]]
    since = {name: next(r for r in RELEASES if name in tables[r]) for name in newest}
    document = {
        "source": f"libseccomp src/syscalls.csv, releases {RELEASES[0]} to {RELEASES[-1]}",
        "releases": RELEASES,
        "architectures": list(ARCHITECTURES),
        "syscalls": {},
        "since": {name: release for name, release in sorted(since.items()) if release != RELEASES[0]},
    }
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(newest[name])}" for name in sorted(newest))
    return json.dumps(document, indent=1).replace('"syscalls": {}', f'"syscalls": {{\n{rows}\n }}') + "\n"


if __name__ == "__main__":
    sys.exit(main((__doc__ or "").splitlines()[0], TARGET, build))

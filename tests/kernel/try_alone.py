# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``try`` in a process of its own that a test may kill: PROFILE.json COMMAND [enforce] [SECONDS]; prints the report."""

import json
import sys
from pathlib import Path

from azext_seccomp.errors import SeccompError
from azext_seccomp.profile.codec import decode
from tests.kernel.attempts import try_


def main() -> None:
    """Exit code 3 and the error's words when the command could not be tried."""
    path, command, *more = sys.argv[1:]
    seconds = [float(word) for word in more if word != "enforce"]
    under = decode(Path(path).read_bytes(), path)
    try:
        report = try_(under, command, enforce="enforce" in more, seconds=seconds[0] if seconds else None)
    except SeccompError as error:
        sys.stdout.write(f"{type(error).__name__}: {error.what} {error.why} {error.fix}")
        sys.exit(3)
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()

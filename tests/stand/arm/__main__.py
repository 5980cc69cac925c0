# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``python3 -m tests.stand.arm``: the stand from the command line."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .identities import ACCOUNTS, ADMIN
from .rbac import grant
from .seed import write_az_state
from .server import PORT, ArmStand


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.stand.arm", description="Azure Resource Manager and Entra ID on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run until interrupted")
    serve.add_argument("--kubeconfig", type=Path, help="administrator's kubeconfig of the real cluster")
    serve.add_argument("--nodes", type=int, default=2, help="its number of nodes (default: 2)")
    serve.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    seed = commands.add_parser("seed", help="write an AZURE_CONFIG_DIR that is signed in to the stand")
    seed.add_argument("directory", type=Path)
    seed.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    seed.add_argument("--account", choices=sorted(ACCOUNTS), default=ADMIN.name)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    if options.command == "serve":
        serve_until_interrupted(options.kubeconfig, options.nodes, options.port)
    else:
        write_az_state(options.directory, options.port, account=ACCOUNTS[options.account])
    return 0


def serve_until_interrupted(kubeconfig: Path | None, nodes: int, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    if kubeconfig:
        grant(kubeconfig)
    with ArmStand(kubeconfig=kubeconfig, nodes=nodes, port=port) as stand:
        logging.info("ready: %s", stand.url)
        end.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

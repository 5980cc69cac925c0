# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``python3 -m tests.stand.cluster``: the stand from the command line."""

import argparse
import logging
import sys
from collections.abc import Sequence

from .shell import StandError
from .stand import Stand


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.stand.cluster", description="A real Kubernetes cluster on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="set up and start; a healthy cluster of the same shape is used again")
    up.add_argument(
        "--nodes", type=int, default=2, help="number of nodes, each with its own kubelet and containerd (default: 2)"
    )
    commands.add_parser("down", help="end every process of it and undo network, mounts and control groups")
    commands.add_parser("status", help="nodes and processes")
    commands.add_parser("kubeconfig", help="path of the administrator's kubeconfig")
    node = commands.add_parser("node", help="run a program that sees a node's directories")
    node.add_argument("index", type=int, help="number of the node, from 1")
    node.add_argument("argv", nargs=argparse.REMAINDER, help="program and arguments")
    fake = commands.add_parser("fake-nodes", help="play the kubelets of many nodes until interrupted")
    fake.add_argument("count", type=int, help="number of nodes")
    fake.add_argument("--event-interval", type=float, default=0, help="seconds between events of a collector; 0: none")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        return run(Stand(), options)
    except StandError as error:
        logging.error("error: %s", error)
        return 1


def run(stand: Stand, options: argparse.Namespace) -> int:
    """Carry out one command; returns the exit code."""
    if options.command == "up":
        stand.up(options.nodes)
        say(str(stand.kubeconfig))
    elif options.command == "down":
        stand.down()
    elif options.command == "kubeconfig":
        say(str(stand.kubeconfig))
    elif options.command == "status":
        return status(stand)
    elif options.command == "node":
        code, out, err = stand.node_exec(options.index, *options.argv, check=False)
        sys.stdout.buffer.write(out)
        sys.stderr.buffer.write(err)
        return code
    else:
        from .fake_nodes import play

        with stand.patient_controller_manager():
            play(stand.layout, options.count, event_interval=options.event_interval)
    return 0


def status(stand: Stand) -> int:
    """One line per program; exit code 0 when the stand is healthy, 3 when not (as of a service that is not running)."""
    for name, pid in stand.processes().items():
        say(f"{name:30} {pid}")
    healthy = stand.healthy()
    say("healthy: " + ", ".join(stand.node_names) if healthy else "not healthy")
    return 0 if healthy else 3


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

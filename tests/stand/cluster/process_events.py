# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Keeps the kernel's process events (CN_PROC) switched on while the stand runs.

The kernel sends fork and exec events to whoever is in the multicast group, but only while a process of the initial
pid namespace has asked for them (drivers/connector/cn_proc.c). The ``ig`` stand-in runs in a pod, in a pid namespace
of its own, and cannot ask. Started as a program by its path, so it imports nothing of this package.
"""

import os
import signal
import socket
import struct
import sys
from pathlib import Path

NETLINK_CONNECTOR = 11
NLMSG_DONE = 3
CN_IDX_PROC, CN_VAL_PROC = 1, 1
PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_IGNORE = 1, 2


def command() -> list[str]:
    """Command line of the keeper."""
    return [sys.executable, "-IS", str(Path(__file__).resolve())]


def ask(connector: socket.socket, operation: int) -> None:
    """Send one request: struct nlmsghdr, struct cn_msg, enum proc_cn_mcast_op."""
    body = struct.pack("=IIIIHHI", CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0, operation)
    connector.send(struct.pack("=IHHII", 16 + len(body), NLMSG_DONE, 0, 0, os.getpid()) + body)


def main() -> None:
    # in no multicast group: asked for on behalf of others, nothing is received here
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR) as connector:
        connector.bind((0, 0))
        ask(connector, PROC_CN_MCAST_LISTEN)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        ask(connector, PROC_CN_MCAST_IGNORE)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Playing the nodes until a signal ends it."""

import asyncio
import logging
import signal
import threading
import time

from .. import pki
from ..layout import Layout, own_address
from ..shell import StandError
from .api import Api
from .kubelets import Kubelets
from .log_server import LogServer

log = logging.getLogger(__name__)


def play(layout: Layout, count: int, *, event_interval: float = 0) -> None:
    """Register so many nodes and play their kubelets until SIGINT or SIGTERM; then remove them.

    :param event_interval: seconds between two events of a running collector; 0 for none.
    :raises StandError: the API server refuses something.
    """
    address = own_address()
    identity = pki.issue(layout, "fake-kubelet", "/CN=fake-kubelet", f"IP:{address}")
    kubelets = Kubelets(layout, Api(layout), address, count)
    server = LogServer(layout, identity, address, kubelets.log, event_interval)
    started = time.monotonic()
    try:
        kubelets.register()
        log.info("%d fake nodes registered in %.1f s", count, time.monotonic() - started)
        asyncio.run(_run(kubelets, server))
    finally:
        kubelets.unregister()


async def _run(kubelets: Kubelets, server: LogServer) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    stop = threading.Event()
    failures: list[StandError] = []

    def follow() -> None:
        try:
            kubelets.follow_pods(stop)
        except StandError as error:
            failures.append(error)
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=follow, daemon=True).start()
    serving = asyncio.create_task(server.serve())
    await asyncio.wait((serving, asyncio.create_task(stopped.wait())), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    serving.cancel()
    if failures:
        raise failures[0]

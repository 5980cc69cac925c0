# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The kubelet endpoint of all fake nodes: container logs (``GET /containerLogs/<namespace>/<pod>/<container>``)."""

import asyncio
import datetime
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Callable

from ..layout import Layout
from ..pki import Certificate

Lines = Callable[[str, str], list[str] | None]


class LogServer:
    """Serves the logs of pods that have ended, and a collector's log for all that run."""

    def __init__(self, layout: Layout, identity: Certificate, address: str, lines: Lines, interval: float) -> None:
        """:param lines: log of a pod that has ended, by namespace and name; None while it runs.
        :param interval: seconds between two events of a running collector; 0 for none.
        """
        self._address = address
        self._port = layout.fake_kubelet_port
        self._lines = lines
        self._interval = interval
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.certificate, identity.key)
        self._context.load_verify_locations(layout.pki / "ca.crt")
        self._context.verify_mode = ssl.CERT_REQUIRED

    async def serve(self) -> None:
        """Until cancelled."""
        server = await asyncio.start_server(self._talk, self._address, self._port, ssl=self._context, backlog=4096)
        async with server:
            await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode("latin1")
                await self._answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        finally:
            writer.close()

    async def _answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        method, target, _ = request.split(" ", 2)
        url = urllib.parse.urlsplit(target)
        parts = url.path.strip("/").split("/")
        if method != "GET" or parts[0] != "containerLogs" or len(parts) < 3:
            writer.write(b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        query = dict(urllib.parse.parse_qsl(url.query))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for line in self._log(parts[1], parts[2], query.get("follow") == "true"):
            stamp = f"{_now()} " if query.get("timestamps") == "true" else ""
            data = f"{stamp}{line}\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _log(self, namespace: str, pod: str, follow: bool) -> AsyncIterator[str]:
        ended = self._lines(namespace, pod)
        if ended is not None:
            for line in ended:
                yield line
            return
        yield f'time="{_now()[:19]}Z" level=debug msg=running...'
        while follow:
            await asyncio.sleep(self._interval or 3600)
            yield EVENT


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")[:-6] + "000Z"


# One event of ig 0.55, see tests/stand/ig/event.py.
EVENT = (
    '{"code":"SECCOMP_RET_LOG","code_raw":2147221504,'
    '"k8s":{"containerName":"web","hostnetwork":false,"namespace":"shop","node":"",'
    '"owner":{"kind":"","name":""},"podLabels":"","podName":"web-0"},'
    '"proc":{"comm":"nginx","creds":{"gid":0,"group":"root","uid":0,"user":"root"},"mntns_id":4026534388,'
    '"parent":{"comm":"sh","pid":37591,"tid":37591},"pid":39733,"tid":39733},'
    '"runtime":{"containerId":"' + "ab" * 32 + '","containerImageDigest":"","containerImageName":"web:1",'
    '"containerName":"web","containerPid":37591,"containerStartedAt":1755777600000000000,'
    '"runtimeName":"containerd"},"syscall":"SYS_UNSHARE","syscall_raw":272,'
    '"timestamp":"2025-08-21T10:00:00.123000000Z","timestamp_raw":1755770400123000000,"ustack":{}}'
)

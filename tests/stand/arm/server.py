# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The HTTPS server on loopback that puts the parts together."""

import json
import logging
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.stand.cluster import pki
from tests.stand.cluster.layout import Layout, pool_name

from .certificates import server_context
from .clusters import catalogue
from .entra import REVIEW_PATH, entra
from .faults import Asked, Fault, Faults
from .http import Request, Response
from .kubeconfigs import Kubeconfigs
from .resource_manager import ResourceManager
from .run_command import Runs
from .tokens import Issuer

#: Where the API server of the stand has its tokens checked (``Layout.token_review_url``).
PORT = 18443

log = logging.getLogger(__name__)


class ArmStand:
    """Resource Manager and Entra on ``https://localhost:<port>``; a context manager that ends all of it.

    :param layout: the stand whose authority signs the certificate; its key for tokens is in the same place.
    :param kubeconfig: an administrator's kubeconfig (JSON) of the real cluster; without one no API server is reachable.
    :param nodes: number of nodes of the real cluster, from which the sizes of the node pools follow.
    :param port: 0 for any free one. The API server knows only tokens of a stand of the same layout, and asks ``PORT``.
    """

    def __init__(
        self, layout: Layout | None = None, *, kubeconfig: Path | None = None, nodes: int = 2, port: int = PORT
    ) -> None:
        layout = layout or Layout()
        pki.ensure_authority(layout)
        self.layout = layout
        self.faults = Faults()
        self.requests: list[Asked] = []
        self.issuer = Issuer.of_file(layout.pki / "token.key")
        self._server = _Server(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]
        self._server.use(layout, f"arm-{self.port}")
        self._runs = Runs(kubeconfig)
        self._entra = entra(self.url, self.issuer)
        pools = {pool_name(index): 0 for index in (1, 2)}
        for index in range(1, nodes + 1):
            pools[pool_name(index)] += 1
        self._arm = ResourceManager(
            self.url, self.issuer, catalogue(pools), Kubeconfigs(layout, kubeconfig), self._runs
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def __enter__(self) -> "ArmStand":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._runs.wait()

    def reset(self) -> None:
        """Forget faults and requests."""
        self.faults.clear()
        self.requests.clear()

    def answer(self, request: Request) -> Response:
        """Answer one request; used by the server, and by tests that need no network."""
        if request.path == REVIEW_PATH:  # the API server's own business: neither fails on order nor counts as asked
            return self._entra(request) or Response(405)
        if request.path.startswith("/_stand/"):
            return self._control(request)
        response = self.faults.answer(request) or self._entra(request) or self._arm(request)
        headers = request.headers
        self.requests.append(
            Asked(
                request.method,
                request.path,
                response.status,
                headers.get("user-agent", ""),
                headers.get("commandname", ""),
            )
        )
        return response

    def _control(self, request: Request) -> Response:
        """For tests in other processes: order faults, read the log."""
        action = (request.method, request.path)
        if action == ("POST", "/_stand/faults"):
            self.faults.add(Fault(**request.json()))
        elif action == ("POST", "/_stand/reset"):
            self.reset()
        elif action == ("GET", "/_stand/requests"):
            return Response(200, [asdict(asked) for asked in self.requests])
        else:
            return Response(404)
        return Response(204)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand = self

        class Handler(_Handler):
            def respond(self, request: Request) -> Response:
                return stand.answer(request)

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def use(self, layout: Layout, name: str) -> None:
        """Serve over TLS. The handshake is left to the thread of the connection, so that a slow one holds up nobody."""
        context = server_context(layout, name)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("connection from %s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def respond(self, request: Request) -> Response:
        raise NotImplementedError

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        response = self.respond(Request.parse(self.command, self.path, dict(self.headers), body))
        content = b"" if response.body is None else json.dumps(response.body).encode()
        self.send_response(response.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **response.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)

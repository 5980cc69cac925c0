# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The official Kubernetes client behind the narrow interface of this package.

Every request goes through ``OfficialClient._request``: tokens, repetition and the translation of failures are there and
nowhere else. Answers stay JSON: no model classes, and the client's own debug log, which shows bodies, never sees one.
"""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from azext_seccomp.cluster import failures, retry, unreachable
from azext_seccomp.cluster.connection import Connection
from azext_seccomp.cluster.discovery import Discovery
from azext_seccomp.cluster.interface import PODS, JsonObject, Resource, WatchEvent
from azext_seccomp.cluster.listing import items_of
from azext_seccomp.cluster.log_stream import KubeLogStream
from azext_seccomp.cluster.request import CONNECT_SECONDS, Request, place
from azext_seccomp.cluster.transport import Hangup, OpenStreams, carrying, pool_manager
from azext_seccomp.cluster.watch import Watch
from azext_seccomp.errors import InvalidInput, NotFound, SeccompError, ServerFault

_PAGE = 500


class OfficialClient:
    """Implements ``interface.Kube``. Safe to use from several threads; ``close`` ends its streams and its waiting
    requests.

    :param page_size: objects per page of a list.
    """

    def __init__(self, connection: Connection, *, page_size: int = _PAGE) -> None:
        self._connection = connection
        self._target = connection.target
        self._page_size = page_size
        self._streams = OpenStreams()
        self._closed = threading.Event()
        self._answered = False
        self._discovery = Discovery(self.get)
        self._client = ApiClient(_configuration(connection.target.server))
        self._client.user_agent = "az-aks-seccomp"
        self._client.rest_client.pool_manager = pool_manager(
            connection.target.server, connection.context, connection.tls_server_name, connection.proxy_url
        )

    def close(self) -> None:
        """End all streams and waits; requests after this fail."""
        self._closed.set()
        self._streams.close()
        self._client.rest_client.pool_manager.clear()

    def get(self, path: str) -> JsonObject:
        """One object, or any JSON document."""
        return self._json(Request("GET", path))

    def list(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[JsonObject]:
        """See ``interface.Kube.list``. When a continue token expires the list goes on with the present state, so no
        object comes twice.
        """
        resume = ""
        while True:
            try:
                page = self.list_page(path, labels, fields, resume)
            except failures.Expired as expired:
                if not expired.resume or expired.resume == resume:
                    raise
                resume = expired.resume
                continue
            yield from items_of(page)
            resume = str(page["metadata"].get("continue") or "")
            if not resume:
                return

    def list_page(self, path: str, labels: str, fields: str, resume: str) -> JsonObject:
        """One page of a list, whose ``metadata`` is a mapping; ``resume`` is the continue token of the page before."""
        query = [*_selectors(labels, fields), ("limit", str(self._page_size))] + (
            [("continue", resume)] if resume else []
        )
        page = self._json(Request("GET", path, tuple(query)))
        if not isinstance(page.get("metadata"), dict):
            raise ServerFault(f"{self._target} answered a list without metadata.")
        return page

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        """Create one object. Not repeated once it may have been carried out, except a dry run."""
        return self._json(Request("POST", path, _dry_run(dry_run), dict(body), repeatable=dry_run))

    def patch(
        self,
        path: str,
        body: Any,
        *,
        content_type: str = "application/merge-patch+json",
        dry_run: bool = False,
        metadata_only: bool = False,
    ) -> JsonObject:
        """Patch one object."""
        # A JSON patch may append to lists, and "test" operations fail on what the first attempt changed.
        repeatable = dry_run or content_type != "application/json-patch+json"
        query = _dry_run(dry_run)
        return self._json(
            Request("PATCH", path, query, body, content_type, repeatable=repeatable, metadata_only=metadata_only)
        )

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        """Replace one object."""
        # With a resourceVersion a second attempt would be refused as a conflict with the first.
        metadata = body.get("metadata")
        pinned = isinstance(metadata, Mapping) and bool(metadata.get("resourceVersion"))
        return self._json(Request("PUT", path, _dry_run(dry_run), dict(body), repeatable=dry_run or not pinned))

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        """See ``interface.Kube.delete``. Raises Conflict when the object's uid is not ``uid``."""
        here = place(path)
        if here is None or bool(here.name) == bool(labels):
            raise InvalidInput("A deletion names one object, or a collection and labels.")
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._json(Request("DELETE", path, tuple(_selectors(labels, "")), options))
        except NotFound:
            return False
        return True

    def watch(
        self,
        path: str,
        *,
        labels: str = "",
        fields: str = "",
        stop: threading.Event,
        timeout_seconds: float | None = None,
    ) -> Iterator[WatchEvent]:
        """See ``interface.Kube.watch``. Of an object that vanished during a break only kind, name, namespace, uid and
        labels are known.
        """
        return Watch(self, path, labels=labels, fields=fields).events(stop, timeout_seconds)

    def follow_log(self, namespace: str, pod: str, container: str, *, since_time: str | None = None) -> KubeLogStream:
        """See ``interface.Kube.follow_log``. The request is sent when iteration starts."""
        query = [("container", container), ("follow", "true"), ("timestamps", "true")]
        if since_time:
            query.append(("sinceTime", since_time))
        hangup = Hangup()
        request = Request("GET", PODS.path(namespace, pod) + "/log", tuple(query), read_seconds=None, hangup=hangup)
        return KubeLogStream(lambda: self.open_stream(request), hangup, lambda error: self.broken(request, error))

    def resource(self, api_version: str, kind: str) -> Resource:
        """See ``interface.Kube.resource``."""
        return self._discovery.resource(api_version, kind)

    def open_stream(self, request: Request) -> BaseHTTPResponse:
        """Send a request with a ``hangup`` and leave the body to the caller. Its connection is not used for anything
        after it.
        """
        assert request.hangup is not None
        self._streams.add(request.hangup)
        response, _ = self._request(request)
        return response

    def broken(self, request: Request, error: BaseException) -> SeccompError:
        """The error for a stream that broke."""
        return unreachable.from_transport(request, self._target, error)

    def _json(self, request: Request) -> JsonObject:
        _, data = self._request(request)
        try:
            decoded = json.loads(data)
        except (ValueError, RecursionError):
            decoded = None
        if not isinstance(decoded, dict):
            raise ServerFault(f"{self._target} did not answer with a JSON object when asked to {request}.")
        return decoded

    def _request(self, request: Request) -> tuple[BaseHTTPResponse, bytes]:
        """Send ``request``, again where that is safe, and return the answer with its body (empty for streams, which the
        caller reads).
        """
        refused = ""
        attempt = 0
        while True:
            attempt += 1
            token = self._connection.tokens.token(refused=refused) if self._connection.tokens else ""
            try:
                return self._send(request, token)
            except ApiException as answer:
                if answer.status == 401 and token and not refused:
                    refused = token
                    continue
                failure, delay = self._after_answer(request, answer, attempt)
            except (HTTPError, OSError) as error:
                failure, delay = self._after_break(request, error, attempt)
            if delay is None:
                raise failure from None  # the official client's exception shows headers and body where it is printed
            self._closed.wait(delay)

    def _send(self, request: Request, token: str) -> tuple[BaseHTTPResponse, bytes]:
        if self._closed.is_set() or (request.hangup is not None and request.hangup.over):
            raise unreachable.Closed(f"The connection to {self._target.host} was closed.")
        headers = {"Accept": request.accept, "Content-Type": request.content_type}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.hangup is not None:
            headers["Connection"] = "close"
        with carrying(request.hangup):
            response: BaseHTTPResponse = self._client.call_api(
                request.path,
                request.method,
                query_params=list(request.query),
                header_params=headers,
                body=request.body,
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(CONNECT_SECONDS, request.read_seconds),
            )
        self._answered = True
        return response, b"" if request.hangup is not None else response.data

    def _after_answer(self, request: Request, answer: ApiException, attempt: int) -> tuple[SeccompError, float | None]:
        if not answer.status:  # the official client's wrapping of a TLS failure
            return self._after_break(request, answer, attempt)
        self._answered = True
        failure = failures.from_answer(request, self._target, answer.status, answer.body)
        if attempt < retry.ATTEMPTS and retry.status_passes(answer.status, answer.headers, request):
            return failure, retry.delay_before(attempt, retry.retry_after(answer.headers))
        return failure, None

    def _after_break(self, request: Request, error: BaseException, attempt: int) -> tuple[SeccompError, float | None]:
        failure = unreachable.from_transport(request, self._target, error)
        hung_up = request.hangup is not None and request.hangup.over
        # A server that never answered is not waited for: the operator is told at once what is wrong with the way to it.
        again = (
            self._answered
            and not hung_up
            and attempt < retry.ATTEMPTS
            and (request.repeatable or unreachable.never_sent(error))
        )
        return failure, retry.delay_before(attempt) if again else None


def _configuration(server: str) -> Configuration:
    # Its constructor silences urllib3's logger for the whole process, and with it the requests that --debug shows.
    logger = logging.getLogger("urllib3")
    level = logger.level
    configuration = Configuration(host=server)
    logger.setLevel(level)
    configuration.proxy = None
    return configuration


def _selectors(labels: str, fields: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value]


def _dry_run(wanted: bool) -> tuple[tuple[str, str], ...]:
    return (("dryRun", "All"),) if wanted else ()

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A headless Chromium that a test looks at a file with, over its DevTools protocol."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from base64 import b64decode
from pathlib import Path
from types import TracebackType
from typing import Any

import websocket

_START_SECONDS = 20
_ANSWER_SECONDS = 20

Json = dict[str, Any]


class Browser:
    """Chromium with one page; it finds no host by name.

    ``requests`` are the addresses that its page was let ask for, ``refused`` those that a policy of the page kept it
    from, ``dialogs`` what scripts had it say.

    :param state: an empty directory for its profile.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._messages = 0
        self._loaded = 0
        self._asked: dict[str, str] = {}
        self.refused: list[str] = []
        self.dialogs: list[str] = []

    def __enter__(self) -> "Browser":
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        offline = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--no-proxy-server")
        self._process = subprocess.Popen(
            [
                "chromium",
                *options,
                *offline,
                "--remote-debugging-port=0",
                f"--user-data-dir={self._state}",
                "about:blank",
            ],
            env={**os.environ, "HOME": str(self._state)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._connection = websocket.create_connection(
                self._address(), timeout=_ANSWER_SECONDS, suppress_origin=True, http_no_proxy=["127.0.0.1"]
            )
            (target,) = [one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
            attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Network", "Runtime"):
                self.call(f"{domain}.enable")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._end()

    @property
    def requests(self) -> list[str]:
        return list(self._asked.values())

    def open(self, file: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show the file in a window of so many pixels, and wait until it is drawn. What was recorded is forgotten."""
        self._asked, self.refused, self.dialogs = {}, [], []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        before = self._loaded
        self.call("Page.navigate", url=file.as_uri())
        while self._loaded == before:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; the policy of the page does not bind it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def call(self, method: str, **parameters: Any) -> Json:
        """One command to the page."""
        return self._call(method, self._session, **parameters)

    def _call(self, method: str, session: str = "", /, **parameters: Any) -> Json:
        self._messages += 1
        message = {"id": self._messages, "method": method, "params": parameters}
        self._connection.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = self._receive()
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer
                result: Json = answer["result"]
                return result

    def _receive(self) -> Json:
        message: Json = json.loads(self._connection.recv())
        method = message.get("method")
        if method == "Network.requestWillBeSent":
            self._asked[message["params"]["requestId"]] = message["params"]["request"]["url"]
        elif method == "Network.loadingFailed" and message["params"].get("blockedReason") == "csp":
            self.refused.append(self._asked.pop(message["params"]["requestId"]))
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(message["params"]["message"])
        elif method == "Page.loadEventFired":
            self._loaded += 1
        return message

    def _address(self) -> str:
        """Chromium writes the port that it took, and a path, to a file when it is ready."""
        told = self._state / "DevToolsActivePort"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = told.read_text().splitlines()
                if len(lines) == 2:
                    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            assert self._process.poll() is None, "Chromium has ended"
            time.sleep(0.02)
        raise AssertionError("Chromium does not start")

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._state, ignore_errors=True)

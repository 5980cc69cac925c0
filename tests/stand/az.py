# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Running az: in this process (0.1 s a command), or as the program that a user starts, with the installed extension."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knack.log import cli_logger_names

from .arm.identities import ADMIN, Account
from .arm.seed import environment, write_az_state
from .arm.server import ArmStand

RESOURCE_GROUP = "rg1"


@dataclass(frozen=True)
class AzResult:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class InProcessAz:
    """Runs az in this process, where AZURE_CONFIG_DIR was set before azure-cli was imported.

    azure-cli reads the variable once, so a process has one directory; ``sign_in`` writes another account into it.
    """

    def __init__(self, arm: ArmStand) -> None:
        self._arm = arm
        self._directory = Path(os.environ["AZURE_CONFIG_DIR"])
        self.sign_in(ADMIN)

    def sign_in(self, account: Account | None) -> None:
        """From now on commands run as ``account``; as nobody for None."""
        write_az_state(self._directory, self._arm.port, self._arm.layout, account)
        os.environ.update(environment(self._directory))

    def __call__(self, *args: str, stdin: bytes = b"") -> AzResult:
        from azure.cli.core import get_default_cli

        out, err = io.StringIO(), io.StringIO()
        with _own_logging(), _stdin(stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = get_default_cli().invoke(list(args), out_file=out)
            except SystemExit as end:  # knack lets usage errors and handlers of the last event end the program
                code = end.code
        return AzResult(code or 0, out.getvalue(), err.getvalue())


class InstalledAz:
    """The ``az`` of this virtual environment, with the extension that ``az extension add`` installed.

    :param extensions: AZURE_EXTENSION_DIR.
    :param config: AZURE_CONFIG_DIR, with nothing in it that a test needs kept.
    """

    def __init__(self, extensions: Path, config: Path) -> None:
        self._config = config
        own = {"AZURE_EXTENSION_DIR": str(extensions), "AZURE_CONFIG_DIR": str(config)}
        # not this process's: it would find the extension a second time, in the checkout
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("AZURE_EXTENSION_DEV_SOURCES", "PYTHONPATH", "REQUESTS_CA_BUNDLE")
        }
        self.environment: dict[str, str] = {**inherited, **own}

    def use(self, arm: ArmStand, account: Account | None = ADMIN) -> None:
        """Sign in to a stand as ``account``; as nobody for None."""
        write_az_state(self._config, arm.port, arm.layout, account)
        self.environment.update(environment(self._config))

    def run(
        self, *args: str, stdin: bytes = b"", more: Mapping[str, str] | None = None, seconds: float = 120
    ) -> AzResult:
        """Run a command to its end.

        :param more: further environment variables.
        :raises subprocess.TimeoutExpired: it took longer than ``seconds``.
        """
        done = subprocess.run(
            self.argv(*args),
            input=stdin,
            capture_output=True,
            env={**self.environment, **(more or {})},
            cwd=self._config,
            timeout=seconds,
            check=False,
        )
        return AzResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *args: str) -> "subprocess.Popen[bytes]":
        """Start a command in a process group of its own, with pipes for its output. The caller ends it."""
        return subprocess.Popen(
            self.argv(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self._config,
            start_new_session=True,
        )

    @staticmethod
    def argv(*args: str, python: Sequence[str] = ()) -> list[str]:
        """The command line; isolated, so that nothing but the installation is on the path.

        :param python: options of the interpreter.
        """
        return [sys.executable, "-I", *python, "-m", "azure.cli", *args]

    def imports(self, *args: str) -> set[str]:
        """Names of all modules that the program has imported when the command has ended."""
        argv = self.argv(*args, python=("-X", "importtime"))
        done = subprocess.run(argv, capture_output=True, text=True, env=self.environment, cwd=self._config, check=False)
        lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
        return {line.rpartition("|")[2].strip() for line in lines}


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """Let azure-cli set its log handlers up anew: they hold the stream that was stderr when they were made, and it
    makes none where somebody else (pytest) has handlers.
    """
    loggers = [logging.getLogger(name) for name in ("", *cli_logger_names)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:] = []
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate


@contextlib.contextmanager
def _stdin(content: bytes) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(content))
    try:
        yield
    finally:
        sys.stdin = before

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Exit codes of commands that ran well but whose result the caller asked to be told of (``--fail-on``)."""

from __future__ import annotations

from typing import Any, NoReturn

from knack.events import EVENT_CLI_SUCCESSFUL_EXECUTE


def exit_after_output(cli_ctx: Any, code: int) -> None:
    """End az with ``code`` once it has printed the result, whatever ``--output`` and ``--query`` say.

    az itself knows only 0 for a command that returns; knack raises this event after it has written the output.
    """

    def leave(_: Any, **__: Any) -> NoReturn:
        raise SystemExit(code)

    cli_ctx.register_event(EVENT_CLI_SUCCESSFUL_EXECUTE, leave)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which format a file name asks for."""

from collections.abc import Callable, Mapping
from os.path import splitext
from typing import Any

from azext_seccomp.errors import InvalidInput

Encoder = Callable[[Mapping[str, Any]], bytes]


def check_path(path: str) -> None:
    """Refuse a file name that no format belongs to: before the work, not after an hour of it.

    :raises InvalidInput: its extension is none of those below, in either case.
    """
    _encoder(path)


def encode(report: Mapping[str, Any], path: str) -> bytes:
    """The content of the file: JSON (``.json``), SARIF 2.1.0 (``.sarif``), JUnit (``.xml``) or a page (``.html``).

    :param report: as ``audit.report.build`` or ``local.report.build`` made it.
    :raises InvalidInput: as for ``check_path``.
    """
    return _encoder(path)(report)


def _encoder(path: str) -> Encoder:
    extension = splitext(path)[1].lower()
    encoders = {".json": _json, ".sarif": _sarif, ".xml": _junit, ".html": _page, ".htm": _page}
    if extension not in encoders:
        raise InvalidInput(
            f"The name of the report {path!r} does not say which format it is to have.",
            fix="Let it end in .json, .sarif (SARIF 2.1.0, for code scanning), .xml (JUnit) or .html.",
        )
    return encoders[extension]


def _json(report: Mapping[str, Any]) -> bytes:
    from azext_seccomp.export.json_text import json_bytes

    return json_bytes(report)


def _sarif(report: Mapping[str, Any]) -> bytes:
    from azext_seccomp.export.json_text import json_bytes
    from azext_seccomp.export.sarif import log_of
    from azext_seccomp.export.view import read

    return json_bytes(log_of(read(report)))


def _junit(report: Mapping[str, Any]) -> bytes:
    from azext_seccomp.export.junit import document
    from azext_seccomp.export.view import read

    return document(read(report))


def _page(report: Mapping[str, Any]) -> bytes:
    from azext_seccomp.export.page import page
    from azext_seccomp.export.view import read

    return page(read(report))

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which file gets which format, and JSON."""

import json

import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.export.formats import check_path, encode
from azext_seccomp.profile.report import read_report
from tests.unit.export.reports import audited, hostile, tried


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("a.json", b"{"),
        ("dir.html/A.JSON", b"{"),
        ("a.sarif", b'{\n  "$schema"'),
        ("a.b.xml", b"<?xml"),
        ("a.html", b"<!DOCTYPE html>"),
        ("a.HTM", b"<!DOCTYPE html>"),
    ],
)
def test_the_extension_decides(path: str, start: bytes) -> None:
    check_path(path)
    assert encode(audited(), path).startswith(start)


@pytest.mark.parametrize("path", ["", "report", "report.txt", "report.json.gz", ".json", "dir.json/", "-"])
def test_other_names_are_refused_before_the_work(path: str) -> None:
    with pytest.raises(InvalidInput, match="format") as raised:
        check_path(path)
    assert ".sarif" in raised.value.fix
    with pytest.raises(InvalidInput):
        encode(audited(), path)


def test_json_is_the_report_and_refine_takes_it() -> None:
    report = audited()
    written = encode(report, "report.json")
    assert json.loads(written) == report
    assert b'\n  "verdict": "blocked"' in written
    assert {one.syscall: one.calls for one in read_report(written, "r").observed} == {
        "mount": 5,
        "clone3": 800,
        "close_range": 1,
    }


def test_json_keeps_letters_of_all_scripts_and_never_fails() -> None:
    report = tried(("web", "mount", 1)) | {"notes": ["größer \u4e16", "half \ud800"]}
    written = encode(report, "report.json")
    assert "größer \u4e16".encode() in written
    assert json.loads(written)["notes"][1] == "half ?"


@pytest.mark.parametrize("extension", ["json", "sarif", "xml", "html"])
@pytest.mark.parametrize("report", [hostile(), tried(), audited([], [])], ids=["hostile", "clean try", "nothing"])
def test_every_report_has_every_format(report: dict, extension: str) -> None:
    assert encode(report, f"a.{extension}").decode("utf-8")

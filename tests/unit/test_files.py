# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Bounded reading of files and of standard input."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from azext_seccomp._files import name_of, read_file, require_writable
from azext_seccomp.errors import FileProblem, InvalidInput


def test_a_file_up_to_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"x" * 10)
    assert read_file(str(tmp_path / "p.json"), limit=10) == b"x" * 10
    with pytest.raises(InvalidInput, match="larger than"):
        read_file(str(tmp_path / "p.json"), limit=9)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        read_file("/dev/zero")


def test_standard_input_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}" * 3)))
    assert read_file("-", limit=6) == b"{}{}{}"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}" * 4)))
    with pytest.raises(InvalidInput, match="Standard input is larger"):
        read_file("-", limit=6)
    assert name_of("-") == "standard input"


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b", "x" * 5000])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileProblem, match="cannot be read"):
        read_file(os.path.join(tmp_path, name))


def test_an_empty_name_can_be_seen_in_the_error() -> None:
    with pytest.raises(FileProblem, match="^'' cannot be read"):
        read_file("")


def test_a_closed_standard_input_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FileProblem, match="It is closed"):
        read_file("-")


def test_a_file_that_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "r.json", tmp_path):
        with pytest.raises(FileProblem) as caught:
            require_writable(str(path))
        assert "cannot be written" in str(caught.value)
    require_writable(str(tmp_path / "r.json"))
    assert list(tmp_path.iterdir()) == []

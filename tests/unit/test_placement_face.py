# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Tables and arguments of ``profile place | list | remove``."""

from argparse import Namespace
from typing import Any

import pytest
from azure.cli.core.azclierror import MutuallyExclusiveArgumentError, RequiredArgumentMissingError

from azext_seccomp._format import file_table, placement_table
from azext_seccomp._validators import validate_removal

ROW: dict[str, Any] = {
    "node": "aks-np1-12345678-vmss000000",
    "nodePool": "np1",
    "status": "placed",
    "localhostProfile": "aks-seccomp/web.json",
    "sha256": "0123456789abcdef" * 4,
    "size": 92,
    "ours": True,
    "onAllNodes": False,
    "detail": "",
}


def test_a_table_shows_the_beginning_of_the_hash_and_of_a_long_reason() -> None:
    (row,) = placement_table([{**ROW, "detail": "x" * 500}])
    assert list(row) == ["Node", "NodePool", "Status", "LocalhostProfile", "Sha256", "Detail"]
    assert row["Sha256"] == "0123456789ab"
    assert row["Detail"] == "x" * 79 + "…"


def test_a_list_says_yes_or_nothing() -> None:
    (row,) = file_table([ROW])
    assert (row["Ours"], row["OnAllNodes"], row["Size"]) == ("yes", "", 92)
    (empty,) = file_table([{**ROW, "size": None}])
    assert empty["Size"] == ""


def removal(**given: Any) -> Namespace:
    return Namespace(**{"path": None, "as_name": None, "all_ours": False, **given})


def test_a_removal_names_files_or_means_everything() -> None:
    validate_removal(removal(path=["a"], as_name=["b"]))
    validate_removal(removal(all_ours=True))
    with pytest.raises(RequiredArgumentMissingError):
        validate_removal(removal())
    for named in ({"path": ["a"]}, {"as_name": ["a"]}):
        with pytest.raises(MutuallyExclusiveArgumentError):
            validate_removal(removal(all_ours=True, **named))

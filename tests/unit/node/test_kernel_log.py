# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.node.kernel_log import unrecorded
from azext_seccomp.profile.model import Action

ALL = frozenset(["kill_process", "kill_thread", "trap", "errno", "user_notif", "trace", "log"])


@pytest.mark.parametrize("action", Action)
def test_a_kernel_as_it_comes_records_every_action(action: Action) -> None:
    assert unrecorded(ALL, [action]) == ""


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.ALLOW])
def test_a_kernel_that_records_nothing_records_no_action(action: Action) -> None:
    assert "does not record" in unrecorded(frozenset(), [action])


def test_the_way_out_adds_what_is_missing_and_keeps_what_is_there() -> None:
    why = unrecorded(frozenset({"log", "kill_process"}), [Action.ERRNO, Action.KILL, Action.ALLOW, Action.LOG])
    assert "action errno, kill_thread;" in why
    assert why.endswith("sysctl -w kernel.seccomp.actions_logged='kill_process kill_thread errno log'")


def test_of_a_kernel_that_tells_nothing_nothing_is_known() -> None:
    assert "does not tell" in unrecorded(None, [Action.LOG])
    assert unrecorded(None, []) == "", "nothing was asked"

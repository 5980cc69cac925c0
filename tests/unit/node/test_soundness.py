# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.soundness import require_sound
from azext_seccomp.profile.model import Action, Profile, Rule

NODES = [Node("a"), Node("b", arch="arm64")]


def test_a_profile_that_only_surprises_may_be_placed() -> None:
    require_sound(Profile(Action.ALLOW, rules=(Rule(("nosuchcall",), Action.LOG),)), "web.json", NODES)


def test_a_profile_with_which_no_container_starts_is_refused_with_the_place() -> None:
    profile = Profile(Action.ALLOW, rules=(Rule(("mkdir",), Action.NOTIFY),))
    with pytest.raises(InvalidInput) as refused:
        require_sound(profile, "web.json", NODES)
    assert refused.value.what == "web.json, /syscalls/0/action cannot be used on amd64 nodes."
    assert "SCMP_ACT_NOTIFY" in refused.value.why
    assert refused.value.fix

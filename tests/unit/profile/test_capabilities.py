# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.capabilities import ALL, DEFAULT, bounding, in_words, normalise


def test_the_sets_are_those_of_the_kernel_and_of_containerd() -> None:
    assert len(ALL) == 41
    assert len(DEFAULT) == 14
    assert DEFAULT < ALL


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), DEFAULT),
        (("sys_admin",), (), DEFAULT | {"CAP_SYS_ADMIN"}),
        (("CAP_Sys_Time", "BPF"), ("SYS_CHROOT",), (DEFAULT | {"CAP_SYS_TIME", "CAP_BPF"}) - {"CAP_SYS_CHROOT"}),
        ((), ("ALL",), frozenset()),
        (("NET_BIND_SERVICE",), ("all",), {"CAP_NET_BIND_SERVICE"}),
        (("ALL",), ("SYS_ADMIN",), ALL - {"CAP_SYS_ADMIN"}),
        (("ALL",), ("ALL",), frozenset()),
        (("KILL",), ("KILL",), DEFAULT - {"CAP_KILL"}),
    ],
)
def test_add_and_drop(add: tuple[str, ...], drop: tuple[str, ...], expected: frozenset[str]) -> None:
    assert bounding(add, drop) == expected


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise("SYS_ADMN")
    assert "CAP_SYS_ADMIN" in caught.value.fix


def test_what_resembles_no_name_gets_no_suggestion() -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise("NONSENSE")
    assert "Did you mean" not in caught.value.fix


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [
        (DEFAULT, "default"),
        (bounding(["SYS_ADMIN"], ["NET_RAW"]), "default + SYS_ADMIN - NET_RAW"),
        (frozenset(), "none"),
        (bounding(["NET_BIND_SERVICE", "CHOWN"], ["ALL"]), "none + CHOWN + NET_BIND_SERVICE"),
        (ALL, "all"),
        (bounding(["ALL"], ["SYS_ADMIN"]), "all - SYS_ADMIN"),
    ],
)
def test_a_set_in_words_is_how_it_is_asked_for(capabilities: frozenset[str], words: str) -> None:
    assert in_words(capabilities) == words

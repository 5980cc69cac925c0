# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import re
from pathlib import Path

import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.syscalls import (
    ARCHITECTURES,
    X32_BIT,
    architecture,
    known,
    name_of,
    nearest,
    number,
    numbers,
    since,
)

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")


@pytest.mark.parametrize(
    ("name", "arch", "expected"),
    [
        ("read", "amd64", 0),
        ("read", "i386", 3),
        ("read", "x32", X32_BIT),
        ("read", "arm64", 63),
        ("read", "arm", 3),
        ("clone3", "arm64", 435),
        ("open", "arm64", None),
        ("socketcall", "amd64", None),
        ("socketcall", "i386", 102),
        ("execve", "x32", X32_BIT | 520),
        ("no_such_call", "amd64", None),
    ],
)
def test_numbers(name: str, arch: str, expected: int | None) -> None:
    assert number(name, arch) == expected
    if expected is not None:
        assert name_of(expected, arch) == name


@pytest.mark.parametrize(
    ("header", "arch"), [("unistd_64.h", "amd64"), ("unistd_32.h", "i386"), ("unistd_x32.h", "x32")]
)
def test_numbers_are_those_of_the_kernel(header: str, arch: str) -> None:
    path = HEADERS / header
    if not path.exists():
        pytest.skip(f"{path} is not installed (package linux-libc-dev)")
    defined = re.findall(r"#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?", path.read_text(encoding="utf-8"))
    bit = X32_BIT if arch == "x32" else 0
    assert len(defined) > 300
    assert {name: int(value) | bit for name, value in defined}.items() <= numbers(arch).items()


def test_a_number_has_one_name() -> None:
    for arch in ARCHITECTURES:
        assert len(set(numbers(arch).values())) == len(numbers(arch)) > 250


def test_aliases_of_architectures() -> None:
    assert architecture("x86_64") is architecture("SCMP_ARCH_X86_64") is architecture("amd64")
    assert architecture("aarch64").token == "SCMP_ARCH_AARCH64"
    assert architecture("arm").native == "arm64"
    with pytest.raises(InvalidInput):
        architecture("vax")


def test_since_which_libseccomp_a_name_is_known() -> None:
    assert since("read") == (2, 5, 1)
    assert since("futex_waitv") == (2, 5, 4)
    assert since("mseal") == (2, 5, 6)
    assert since("no_such_call") is None
    assert "mseal" in known()


def test_nearest_name() -> None:
    assert nearest("fchmodat_2") == "fchmodat2"
    assert nearest("qqqq") is None
    assert nearest("x" * 100_000) is None

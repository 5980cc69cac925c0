# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The stand-in's command line: the flags of ``ig run`` and pflag's errors."""

import pytest

from tests.stand.ig.flags import UsageError, parse

GADGET = "registry.test/gadget/audit_seccomp:v0.55.1"


def test_the_command_line_of_a_collector() -> None:
    options = parse(
        ["run", GADGET, "-o", "json", "-v", "--timeout", "300", "-r", "containerd", "--k8s-namespace", "a,!b"]
    )
    assert options.gadget == GADGET
    assert options.timeout_seconds == 300
    assert options.flags["verbose"]
    assert options.values["output"] == "json"
    assert options.list("k8s-namespace") == ("a", "!b")
    assert options.list("runtimes") == ("containerd",)


@pytest.mark.parametrize("argv", [["-t5"], ["-t=5"], ["-t", "5"], ["--timeout=5"], ["--timeout", "5"], ["-vt5"]])
def test_every_way_to_give_a_value(argv: list[str]) -> None:
    assert parse(["run", GADGET, *argv]).timeout_seconds == 5


def test_a_boolean_flag_takes_its_value_by_an_equals_sign_only() -> None:
    options = parse(["run", "--verify-image=false", GADGET, "--host"])
    assert (options.flags["verify-image"], options.flags["host"], options.gadget) == (False, True, GADGET)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", GADGET, "--nope"], "unknown flag: --nope"),
        (["run", GADGET, "-vx"], "unknown shorthand flag: 'x' in -vx"),
        (["run", GADGET, "--timeout"], "flag needs an argument: --timeout"),
        (["run", GADGET, "-t"], "flag needs an argument: 't' in -t"),
        (
            ["run", GADGET, "-t", "5m"],
            'invalid argument "5m" for "-t, --timeout" flag: strconv.ParseInt: parsing "5m": invalid syntax',
        ),
        (
            ["run", GADGET, "--host=maybe"],
            'invalid argument "maybe" for "--host" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (["trace", "exec"], 'unknown command "trace" for "ig"'),
        (["run", GADGET, "-r", "lxc"], 'invalid argument "--runtime / -r": runtime "lxc" is not supported'),
    ],
)
def test_what_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(argv)
    assert str(refused.value) == message

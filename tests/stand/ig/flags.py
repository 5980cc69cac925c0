# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The command line of ``ig run``, with the rules and error texts of spf13/pflag."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OUTPUTS = ("columns", "json", "jsonpretty", "none")
RUNTIMES = ("docker", "containerd", "cri-o", "podman")

# Name -> default. A boolean flag needs no value; all others take one.
BOOLEANS = {
    "auto-mount-filesystems": True,
    "auto-sd-unit-restart": False,
    "collect-ustack": False,
    "disallow-pulling": False,
    "enrich-with-k8s-apiserver": False,
    "help": False,
    "host": False,
    "oci-store-user": False,
    "validate-metadata": True,
    "verbose": False,
    "verify-image": True,
}
VALUES = {
    "allowed-gadgets": "",
    "annotate": "",
    "authfile": "/var/lib/ig/config.json",
    "comm": "",
    "containerd-namespace": "k8s.io",
    "containerd-socketpath": "/run/containerd/containerd.sock",
    "containername": "",
    "fields": "",
    "file": "",
    "filter": "",
    "filter-expr": "",
    "gid": "",
    "insecure-registries": "",
    "k8s-containername": "",
    "k8s-namespace": "",
    "k8s-podname": "",
    "k8s-selector": "",
    "kubeconfig": "",
    "notation-certificates": "",
    "notation-policy-document": "",
    "output": "columns",
    "pid": "",
    "public-keys": "",
    "pull": "missing",
    "runtime-containerimage-digest": "",
    "runtime-containerimage-id": "",
    "runtime-protocol": "internal",
    "runtimes": ",".join(RUNTIMES),
    "symbolizers": "",
    "tid": "",
    "timeout": "0",
    "uid": "",
}
SHORT = {
    "o": "output",
    "t": "timeout",
    "r": "runtimes",
    "v": "verbose",
    "h": "help",
    "c": "containername",
    "F": "filter",
    "E": "filter-expr",
    "f": "file",
}


class UsageError(Exception):
    """What ``ig`` prints after ``Error:``."""


@dataclass(frozen=True)
class Options:
    """The command line of one run."""

    gadget: str
    flags: dict[str, bool]
    values: dict[str, str]

    @property
    def timeout_seconds(self) -> int:
        """0 means until a signal."""
        return int(self.values["timeout"])

    def list(self, name: str) -> tuple[str, ...]:
        """A comma-separated value."""
        return tuple(part for part in self.values[name].split(",") if part)


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments that follow ``ig``.

    :raises UsageError: as pflag or cobra would refuse them.
    """
    flags, values = dict(BOOLEANS), dict(VALUES)
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words.extend(rest)
        elif word.startswith("--"):
            _long(word, rest, flags, values)
        elif word.startswith("-") and len(word) > 1:
            _short(word, rest, flags, values)
        else:
            words.append(word)
    if words and words[0] != "run":
        raise UsageError(f'unknown command "{words[0]}" for "ig"')
    _check(values)
    return Options(gadget=words[1] if len(words) > 1 else "", flags=flags, values=values)


def _long(word: str, rest: Iterator[str], flags: dict[str, bool], values: dict[str, str]) -> None:
    name, given, value = word.removeprefix("--").partition("=")
    if name in flags:
        flags[name] = _boolean(value, f"--{name}") if given else True
    elif name not in values:
        raise UsageError(f"unknown flag: --{name}")
    else:
        values[name] = value if given else _next(rest, f"--{name}")


def _short(word: str, rest: Iterator[str], flags: dict[str, bool], values: dict[str, str]) -> None:
    letters = word.removeprefix("-")
    while letters:
        letter, letters = letters[0], letters[1:]
        name = SHORT.get(letter)
        if name is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
        if name in values:
            values[name] = letters.removeprefix("=") or _next(rest, f"'{letter}' in {word}")
            return
        flags[name] = True


def _next(rest: Iterator[str], flag: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageError(f"flag needs an argument: {flag}")
    return value


def _boolean(value: str, flag: str) -> bool:
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise UsageError(
        f'invalid argument "{value}" for "{flag}" flag: strconv.ParseBool: parsing "{value}": invalid syntax'
    )


def _check(values: dict[str, str]) -> None:
    timeout = values["timeout"]
    if not timeout.removeprefix("-").isdecimal():
        reason = f'strconv.ParseInt: parsing "{timeout}": invalid syntax'
        raise UsageError(f'invalid argument "{timeout}" for "-t, --timeout" flag: {reason}')
    if values["output"] not in OUTPUTS:
        raise UsageError(f'invalid output mode "{values["output"]}", must be one of {", ".join(OUTPUTS)}')
    for runtime in values["runtimes"].split(","):
        if runtime.strip() not in RUNTIMES:
            raise UsageError(f'invalid argument "--runtime / -r": runtime "{runtime}" is not supported')

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where a profile can come from: a file in one of three forms, or what containerd gives to RuntimeDefault."""

import hashlib
from dataclasses import dataclass, field

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile import codec
from azext_seccomp.profile.capabilities import bounding
from azext_seccomp.profile.json_text import Document, Located, NotJson, Problem, read
from azext_seccomp.profile.model import Profile

RUNTIME_DEFAULT = "RuntimeDefault"


@dataclass(frozen=True, slots=True)
class Options:
    """What a profile may depend on besides its text.

    :param arch: of the nodes, ``amd64`` or ``arm64``.
    :param containerd_version: of the nodes; RuntimeDefault needs it.
    :param cap_add: capabilities that the container adds, with or without ``CAP_``; ``cap_drop`` likewise.
    :param docker_format: whether files are in Docker's format.
    :param kernel: release of the nodes' kernel; None when it is not known.
    """

    arch: str = "amd64"
    containerd_version: str | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    docker_format: bool = False
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A profile with its origin.

    :param name: of the file, or what RuntimeDefault it is.
    :param sha256: hexadecimal, of the file as it was given; of the JSON that render prints for RuntimeDefault.
    :param notes: what was assumed or rendered, whole sentences.
    """

    profile: Profile
    name: str
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspected:
    """All that reading of a file found out.

    :param profile: None when there are problems that leave nothing to use.
    :param lines: line of every JSON pointer of the profile in the file.
    """

    profile: Profile | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)


def is_runtime_default(word: str) -> bool:
    """Whether ``word`` asks for containerd's profile and not for a file."""
    return word.lower() == RUNTIME_DEFAULT.lower()


def runtime_default(options: Options) -> Source:
    """The profile that containerd gives to a container of type RuntimeDefault.

    :raises InvalidInput: no version of containerd, or something that is none.
    """
    from azext_seccomp.profile.runtime_default import render

    if not options.containerd_version:
        raise InvalidInput(
            "RuntimeDefault depends on the version of containerd, and none was given.",
            fix="Give --containerd-version; kubectl get nodes -o wide shows it.",
        )
    capabilities = bounding(options.cap_add, options.cap_drop)
    rendered = render(options.containerd_version, options.arch, capabilities, options.kernel)
    name = f"{RUNTIME_DEFAULT} of containerd {options.containerd_version} on {options.arch}"
    return Source(rendered.profile, name, _sha256(codec.encode(rendered.profile)), rendered.notes)


def load(data: bytes, name: str, options: Options) -> Source:
    """The profile in a file.

    :param name: of the file, for messages.
    :raises InvalidInput: one line about the first problem.
    """
    inspected = inspect(data, name, options)
    if inspected.profile is not None and not inspected.problems:
        return Source(inspected.profile, name, _sha256(data), inspected.notes)
    first, *others = inspected.problems
    more = f"Problems in all: {len(others) + 1}; az aks seccomp profile validate lists them." if others else ""
    raise InvalidInput(f"{name} is not a seccomp profile: {first}", why=more, fix=first.fix)


def inspect(data: bytes, name: str, options: Options) -> Inspected:
    """Read a file: runtime-spec JSON, a SeccompProfile custom resource in YAML or JSON, or Docker's format.

    :raises InvalidInput: a custom resource or a Docker profile that cannot be taken for one.
    """
    from azext_seccomp.profile.custom_resource import looks_like_yaml, read_yaml

    if looks_like_yaml(data):
        return _inspect_document(read_yaml(data, name), name, options)
    try:
        return _inspect_document(read(data), name, options)
    except NotJson as error:
        return Inspected(None, (error.problem,))


def _inspect_document(document: Document, name: str, options: Options) -> Inspected:
    from azext_seccomp.profile.custom_resource import is_custom_resource, profile_in

    if is_custom_resource(document):
        return _inspected(document, "/spec", profile_in(document, name))
    if options.docker_format:
        from azext_seccomp.profile.docker_format import parse_kernel, render

        capabilities = bounding(options.cap_add, options.cap_drop)
        kernel = parse_kernel(options.kernel) if options.kernel else None
        rendered = render(document, arch=options.arch, capabilities=capabilities, kernel=kernel, source=name)
        return _inspected(document, "", rendered.profile, rendered.notes)
    return _inspected(document, "", document.root)


def _inspected(document: Document, pointer: str, located: Located, notes: tuple[str, ...] = ()) -> Inspected:
    profile, problems = codec.inspect_value(document, pointer, located)
    lines = Document(document.text, located, ()).lines() if profile else {}
    return Inspected(profile, tuple(problems), notes, lines)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

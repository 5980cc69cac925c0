# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Profiles from and to the JSON that containerd reads for a Localhost profile.

containerd decodes the file into runtime-spec's ``LinuxSeccomp`` with encoding/json (``contrib/seccomp/seccomp.go``,
``LoadProfile``). What it and runc take in silence although it is not what the author meant, above all keys of Docker's
format, is refused here.
"""

import json
from collections.abc import Mapping

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.json_text import MAX_PROBLEMS, Document, Located, NotJson, Problem, read
from azext_seccomp.profile.model import Arg, Profile, Rule
from azext_seccomp.profile.reader import ProfileReader

__all__ = ["Problem", "decode", "encode", "inspect", "inspect_value", "to_json"]


def decode(data: bytes, source: str) -> Profile:
    """The profile in ``data``.

    :param source: what to call the data in messages: a file name, or "standard input".
    :raises InvalidInput: one line about the first problem, and how many more there are.
    """
    profile, problems = inspect(data)
    if profile is not None and not problems:
        return profile
    first = problems[0]
    more = ""
    if len(problems) > 1:
        more = f"Problems in all: {len(problems)}; az aks seccomp profile validate lists them."
    raise InvalidInput(f"{source} is not a seccomp profile: {first}", why=more, fix=first.fix)


def inspect(data: bytes) -> tuple[Profile | None, list[Problem]]:
    """All that keeps ``data`` from being a profile that containerd and runc understand, in the order of the file.

    :return: the profile, None when it cannot be understood, and at most :data:`MAX_PROBLEMS` problems. Only a profile
        without problems is one to use.
    """
    try:
        document = read(data)
    except NotJson as error:
        return None, [error.problem]
    return inspect_value(document, "", document.root)


def inspect_value(document: Document, pointer: str, located: Located) -> tuple[Profile | None, list[Problem]]:
    """Like :func:`inspect` for the value at ``pointer`` of a larger document, such as the spec of a custom resource."""
    reader = ProfileReader(document)
    profile = reader.profile(pointer, located)
    problems = sorted((*document.problems, *reader.problems), key=lambda problem: problem.line)
    return profile, problems[:MAX_PROBLEMS]


def encode(profile: Profile) -> bytes:
    """``profile`` as JSON for containerd: always the same bytes for the same profile, absent fields left out."""
    return (json.dumps(to_json(profile), indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def to_json(profile: Profile) -> dict[str, object]:
    """``profile`` as the plain object that :func:`encode` writes, keys in the order of the runtime-spec."""
    # Empty flags are left out: containerd's own JSON does the same (omitempty), so runc never sees the difference.
    fields = {
        "defaultAction": profile.default_action.value,
        "defaultErrnoRet": profile.default_errno_ret,
        "architectures": list(profile.architectures) or None,
        "flags": list(profile.flags) or None,
        "listenerPath": profile.listener_path,
        "listenerMetadata": profile.listener_metadata,
        "syscalls": [_rule_to_json(rule) for rule in profile.rules] or None,
    }
    return _present(fields)


def _rule_to_json(rule: Rule) -> dict[str, object]:
    fields = {
        "names": list(rule.names),
        "action": rule.action.value,
        "errnoRet": rule.errno_ret,
        "args": [_arg_to_json(arg) for arg in rule.args] or None,
    }
    return _present(fields)


def _arg_to_json(arg: Arg) -> dict[str, object]:
    return _present({"index": arg.index, "value": arg.value, "valueTwo": arg.value_two or None, "op": arg.op.value})


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value is not None}

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``az aks seccomp profile render | validate | show | convert | diff | merge | refine``: profiles without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_seccomp._exit import exit_after_output
from azext_seccomp._files import MAX_REPORT_BYTES, STDIN, name_of, read_file, read_profile
from azext_seccomp.errors import InvalidInput

if TYPE_CHECKING:
    from azext_seccomp.profile.diff import Change
    from azext_seccomp.profile.finding import Finding
    from azext_seccomp.profile.model import Profile
    from azext_seccomp.profile.overview import Line
    from azext_seccomp.profile.refine import Step
    from azext_seccomp.profile.source import Inspected, Options

logger = get_logger(__name__)

_FAILED = 10
#: The kernel cuts larger ones.
_MAX_ERRNO = 4095


def render_profile(cmd: Any, options: Options, profile: str = "RuntimeDefault") -> dict[str, Any]:
    source = read_profile(profile, options)
    return _printed(source.profile, source.notes)


def validate_profile(
    cmd: Any, options: Options, profile: str, runc_version: str | None = None, fail_on: str | None = None
) -> dict[str, Any]:
    from azext_seccomp.profile.finding import Target, parse_runc
    from azext_seccomp.profile.validate import from_problems, validate

    inspected = _inspected(profile, options)
    found = from_problems(inspected.problems)
    if inspected.profile is not None and not found:
        target = Target(options.arch, parse_runc(runc_version) if runc_version else None)
        found = validate(inspected.profile, target, lambda pointer: inspected.lines.get(pointer, 0))
    _warn(inspected.notes)
    errors = sum(one.severity == "error" for one in found)
    if (fail_on == "error" and errors) or (fail_on == "warning" and found):
        exit_after_output(cmd.cli_ctx, _FAILED)
    return {
        "profile": name_of(profile),
        "valid": not errors,
        "errors": errors,
        "warnings": len(found) - errors,
        "findings": [_finding_row(one) for one in found],
    }


def show_profile(cmd: Any, options: Options, profile: str, syscall: Sequence[str] = ()) -> dict[str, Any]:
    from azext_seccomp.profile.effect import decision_in_words, default_of
    from azext_seccomp.profile.overview import counts, overview

    source = read_profile(profile, options)
    lines = overview(source.profile, options.arch, syscall)
    _warn(source.notes)
    return {
        "profile": source.name,
        "sha256": source.sha256,
        "arch": options.arch,
        "defaultAction": decision_in_words(default_of(source.profile)),
        "architectures": list(source.profile.architectures),
        "flags": list(source.profile.flags),
        "counts": counts(lines),
        "syscalls": [_line_row(line) for line in lines],
    }


def convert_profile(
    cmd: Any, options: Options, profile: str, to: str, action: str | None = None, errno: int | None = None
) -> dict[str, Any]:
    from azext_seccomp.profile.model import Action
    from azext_seccomp.profile.variants import to_audit, to_canary, to_enforce

    if errno is not None and not 0 <= errno <= _MAX_ERRNO:
        raise InvalidInput(f"{errno} is not the number of an error.", fix=f"Give --errno from 0 to {_MAX_ERRNO}.")
    source = read_profile(profile, options)
    if to == "enforce":
        variant = to_enforce(source.profile, Action[(action or "ERRNO").upper()], errno)
    else:
        variant = {"audit": to_audit, "canary": to_canary}[to](source.profile)
    return _printed(variant.profile, (*source.notes, *variant.notes))


def diff_profiles(
    cmd: Any,
    options: Options,
    profile: str,
    with_profile: str,
    with_containerd_version: str | None = None,
    with_cap_add: Sequence[str] | None = None,
    with_cap_drop: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    from dataclasses import replace

    from azext_seccomp.profile.diff import diff

    _require_one_stdin((profile, with_profile))
    others = replace(
        options,
        containerd_version=with_containerd_version or options.containerd_version,
        cap_add=options.cap_add if with_cap_add is None else tuple(with_cap_add),
        cap_drop=options.cap_drop if with_cap_drop is None else tuple(with_cap_drop),
    )
    first, second = read_profile(profile, options), read_profile(with_profile, others)
    _warn((*first.notes, *second.notes))
    return [_change_row(change) for change in diff(first.profile, second.profile, arch=options.arch)]


def merge_profiles(cmd: Any, options: Options, profile: Sequence[str], intersect: bool = False) -> dict[str, Any]:
    from azext_seccomp.errors import InvalidInput
    from azext_seccomp.profile.merge import merge

    if len(profile) < 2:
        raise InvalidInput("Merging takes two profiles or more.", fix="Give --profile for each of them.")
    _require_one_stdin(profile)
    sources = [read_profile(word, options) for word in profile]
    merged = merge([source.profile for source in sources], arch=options.arch, intersect=intersect)
    return _printed(merged.profile, [note for source in sources for note in source.notes] + [*merged.notes])


def refine_profile(
    cmd: Any,
    options: Options,
    profile: str,
    report: str,
    only: Sequence[str] = (),
    excluded: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    from azext_seccomp.profile.diff import diff
    from azext_seccomp.profile.refine import refine
    from azext_seccomp.profile.report import read_report

    _require_one_stdin((profile, report))
    source = read_profile(profile, options)
    seen = read_report(read_file(report, MAX_REPORT_BYTES), name_of(report))
    if seen.profile_sha256 and seen.profile_sha256 != source.sha256:
        _warn([f"The report was made with another profile than {source.name}, or with another version of it."])
    refined = refine(source.profile, seen.observed, arch=options.arch, only=only, excluded=excluded)
    if not dry_run:
        return _printed(refined.profile, [*source.notes, *_step_notes(refined.steps)])
    changes = diff(source.profile, refined.profile, arch=options.arch)
    return {
        "profile": source.name,
        "steps": [_step_row(step) for step in refined.steps],
        "changes": [_change_row(change) for change in changes],
    }


def _inspected(profile: str, options: Options) -> Inspected:
    from azext_seccomp.profile.source import Inspected, inspect, is_runtime_default, runtime_default

    if is_runtime_default(profile):
        source = runtime_default(options)
        return Inspected(source.profile, (), source.notes)
    return inspect(read_file(profile), name_of(profile), options)


def _printed(profile: Profile, notes: Iterable[str]) -> dict[str, Any]:
    """The profile as the command's output; what is to be said about it goes to standard error."""
    from azext_seccomp.profile.codec import to_json

    _warn(notes)
    return to_json(profile)


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        logger.warning("%s", note)


def _require_one_stdin(words: Sequence[str]) -> None:
    from azext_seccomp.errors import InvalidInput

    if list(words).count(STDIN) > 1:
        raise InvalidInput("Standard input can be read only once.", fix="Give files for all but one.")


def _step_notes(steps: Iterable[Step]) -> list[str]:
    words = {"allowed": "now let through", "refused": "NOT let through", "skipped": "left as it is"}
    return [f"{step.syscall}: {words[step.treatment]}: {step.reason}" for step in steps if step.treatment in words]


def _finding_row(one: Finding) -> dict[str, Any]:
    return {
        "severity": one.severity,
        "code": one.code,
        "line": one.line or None,
        "pointer": one.pointer,
        "message": one.message,
        "fix": one.fix,
    }


def _line_row(line: Line) -> dict[str, Any]:
    about = line.about
    return {
        "syscall": line.effect.syscall,
        "action": line.action,
        "effect": line.effect.in_words(),
        "group": about.group if about else "",
        "dangerous": about.dangerous if about else None,
        "does": about.does if about else "",
        "blocked": about.blocked if about else "",
        "advice": about.advice if about else "",
    }


def _change_row(change: Change) -> dict[str, Any]:
    return {
        "syscall": change.syscall,
        "change": change.kind,
        "architectures": list(change.architectures),
        "before": change.before,
        "after": change.after,
        "allowedWhen": change.allowed_when,
        "deniedWhen": change.denied_when,
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {
        "syscall": step.syscall,
        "treatment": step.treatment,
        "reason": step.reason,
        "before": step.before,
        "calls": step.calls,
    }

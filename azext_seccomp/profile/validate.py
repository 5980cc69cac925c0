# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is wrong with a profile, before any container meets it.

Errors are what containerd or runc refuse or read otherwise than it was meant; warnings are what works and may surprise.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.effect import compare, default_of
from azext_seccomp.profile.evaluate import decision_of, filter_of
from azext_seccomp.profile.expectations import unmet
from azext_seccomp.profile.finding import Finding, Target, error, listed, rules_with_pointers, warning
from azext_seccomp.profile.json_text import Problem, quoted
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.syscalls import architecture, known, nearest, number

#: Unknown names that are told one by one: to look for the nearest known one takes some milliseconds.
MAX_UNKNOWN = 100
#: Filters to build times names, and for each syscall its rules cubed: what it takes to look for rules without effect.
MAX_EFFORT = 100_000


def from_problems(problems: Iterable[Problem]) -> list[Finding]:
    """Problems of reading, as errors."""
    return [
        Finding("error", "unreadable", problem.what, problem.fix, problem.pointer, problem.line) for problem in problems
    ]


def validate(profile: Profile, target: Target, line_of: Callable[[str], int] = lambda _: 0) -> list[Finding]:
    """Everything that is wrong with a profile that could be read: errors first, then in the order of the file.

    :param line_of: the line of a JSON pointer in the file that the profile was read from.
    :raises Unsupported: the conditions on a syscall are too many to work out.
    """
    checks = _CHECKS if _refusal(profile, target) is None else _CHECKS_ON_TEXT
    found = [replace(one, line=line_of(one.pointer)) for check in checks for one in check(profile, target)]
    return sorted(found, key=lambda finding: (finding.severity != "error", finding.line))


def _notify(profile: Profile, _: Target) -> Iterator[Finding]:
    fix = "Use SCMP_ACT_ERRNO or SCMP_ACT_LOG."
    if profile.default_action is Action.NOTIFY:
        yield error("notify", "runc refuses SCMP_ACT_NOTIFY as the default action.", fix, "/defaultAction")
    for pointer, rule in rules_with_pointers(profile):
        if rule.action is Action.NOTIFY:
            message = (
                "SCMP_ACT_NOTIFY asks a program on the node, and nodes of AKS run none: the container would not start."
            )
            yield error("notify", message, fix, f"{pointer}/action")


def _trace(profile: Profile, _: Target) -> Iterator[Finding]:
    for pointer, rule in rules_with_pointers(profile):
        if rule.action is Action.TRACE:
            message = "SCMP_ACT_TRACE answers ENOSYS unless a tracer is attached to the process."
            yield warning("trace", message, "Use SCMP_ACT_ERRNO, with errnoRet 38 for ENOSYS.", f"{pointer}/action")


def _flags(profile: Profile, target: Target) -> Iterator[Finding]:
    message = "runc older than 1.2 refuses a profile with flags (seccomp flags are not yet supported by runc)."
    fix = "Remove flags, or use node images with runc 1.2 or later (AKS: since March 2025)."
    if profile.flags and target.runc is None:
        yield warning("flags", message, fix, "/flags")
    elif profile.flags and target.runc and target.runc < (1, 2):
        yield error("flags", message, fix, "/flags")


def _listed_architectures(profile: Profile, target: Target) -> Iterator[Finding]:
    own = architecture(target.arch).token
    if profile.architectures and own not in profile.architectures:
        message = f"The architectures do not list {own}, that of the nodes; runc adds it, and kills 32-bit programs."
        yield warning(
            "architecture", message, f"List {own}, and those of 32-bit programs if any run.", "/architectures"
        )


def _names(profile: Profile, _: Target) -> Iterator[Finding]:
    every = known()
    places = (
        (f"{at}/names/{n}", name) for at, rule in rules_with_pointers(profile) for n, name in enumerate(rule.names)
    )
    unknown = ((pointer, name) for pointer, name in places if name not in every)
    for pointer, name in islice(unknown, MAX_UNKNOWN):
        close = nearest(name)
        message = f"No architecture has a syscall {quoted(name)}; runc ignores it."
        yield warning("unknown-syscall", message, f"Did you mean {close}?" if close else "Remove it.", pointer)
    if more := sum(1 for _ in unknown):
        message = f"{more} more names are syscalls of no architecture; runc ignores them."
        yield warning("unknown-syscall", message, "Check which file this is.", "/syscalls")


def _no_effect(profile: Profile, target: Target) -> Iterator[Finding]:
    default = default_of(profile)
    idle = _idle(profile, target)
    if idle is None:
        message = "Too many rules name the same syscalls: whether some of them have no effect was not worked out."
        yield warning("no-effect-unknown", message, "Join rules, or give single syscalls fewer of them.", "/syscalls")
    for index, (pointer, rule) in enumerate(rules_with_pointers(profile)):
        if decision_of(rule.action, rule.errno_ret) == default:
            message = "The rule does what the default action does; runc skips it."
            yield warning("no-effect", message, "Remove it, or correct its action.", pointer)
        elif idle and idle[index]:
            message = f"The rule changes nothing for {listed(idle[index])}: other rules decide these calls."
            yield warning("no-effect", message, "Remove the names here, or in the other rules.", pointer)


def _idle(profile: Profile, target: Target) -> list[list[str]] | None:
    """For each rule the syscalls with which the profile does the same without it; looked at only where rules overlap.

    None when that would take too long.
    """
    places: dict[str, list[int]] = {}
    for index, rule in enumerate(profile.rules):
        for name in dict.fromkeys(rule.names):
            if number(name, target.arch) is not None:
                places.setdefault(name, []).append(index)
    overlapping = {name: found for name, found in places.items() if len(found) > 1}
    built = {index for found in overlapping.values() for index in found}
    effort = len(built) * sum(len(rule.names) for rule in profile.rules)
    if effort + sum(len(found) ** 3 for found in overlapping.values()) > MAX_EFFORT:
        return None
    without = {index: profile.with_rules(profile.rules[:index] + profile.rules[index + 1 :]) for index in built}
    idle: list[list[str]] = [[] for _ in profile.rules]
    # Without these runc would refuse the profile: rules that contradict each other, hidden by one without conditions.
    needed = {index for index, other in without.items() if _refusal(other, target)}
    for name, found in overlapping.items():
        spare = [index for index in found if index not in needed]
        before, *after = compare((profile, *(without[index] for index in spare)), name, target.arch).decisions
        for index, decisions in zip(spare, after, strict=True):
            if decisions == before:
                idle[index].append(name)
    return idle


def _errno_zero(profile: Profile, _: Target) -> Iterator[Finding]:
    for pointer, rule in rules_with_pointers(profile):
        if rule.action is Action.ERRNO and rule.errno_ret == 0:
            message = "errnoRet 0 makes the call return success although nothing was done."
            yield warning("errno-zero", message, "Use 1 (EPERM) or 38 (ENOSYS).", f"{pointer}/errnoRet")


def _does_nothing(profile: Profile, _: Target) -> Iterator[Finding]:
    actions = {profile.default_action, *(rule.action for rule in profile.rules)}
    if actions == {Action.ALLOW}:
        message = "The profile denies and logs nothing."
        yield warning("does-nothing", message, "Use the seccomp type Unconfined if that is meant.")


def _contradictions(profile: Profile, target: Target) -> Iterator[Finding]:
    refusal = _refusal(profile, target)
    if refusal:
        yield error("contradiction", str(refusal), refusal.fix)


def _refusal(profile: Profile, target: Target) -> InvalidInput | None:
    """Why libseccomp refuses the rules together; None when it takes them."""
    try:
        filter_of(profile, target.arch)
    except InvalidInput as refusal:
        return refusal
    return None


_CHECKS_ON_TEXT: tuple[Callable[[Profile, Target], Iterator[Finding]], ...] = (
    _notify,
    _trace,
    _flags,
    _listed_architectures,
    _names,
    _errno_zero,
    _does_nothing,
    _contradictions,
)
#: These need a filter that can be built.
_CHECKS = (*_CHECKS_ON_TEXT, _no_effect, unmet)

# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A profile with other actions that still tells the same calls apart.

Replacing the actions alone does not do that. runc skips rules whose action is that of the default, and which of
several overlapping rules libseccomp tries first does not depend on their order: with "deny argument 40, allow 10 and
above", the same with LOG for deny and LOG as the default would let 40 through in silence. So the result is asked, for
every syscall with several actions, and its rules are written anew where it answers wrongly.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from azext_seccomp.profile.decision import FALLBACK, Decision, decision_of
from azext_seccomp.profile.effect import Comparison, compare, default_of, program_architectures, terms_where
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.syscalls import ARCHITECTURES, number

#: An action and its errnoRet.
Act = tuple[Action, int | None]
ActMap = Callable[[Act], Act]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the actions of rules, and of the default action."""

    of_rule: ActMap
    of_default: ActMap

    def wanted(self, decision: Decision, default: Decision) -> set[Decision]:
        """What may become of a decision; one that equals the default may come from a rule too."""
        maps = (self.of_rule, self.of_default) if decision == default else (self.of_rule,)
        return {decision_of(*act_map((decision.action, decision.errno))) for act_map in maps}


def remap(profile: Profile, change: Change) -> tuple[Profile, tuple[str, ...]]:
    """``profile`` with ``change`` applied.

    :return: the profile, and a sentence for every syscall that cannot be expressed exactly.
    :raises InvalidInput: runc would refuse ``profile``.
    :raises Unsupported: the conditions on a syscall are too many to work out.
    """
    mapped = _replaced(profile, change)
    notes: list[str] = []
    for name in _with_several_actions(profile):
        for native in _natives(profile):
            if number(name, native) is None or not _wrong(profile, mapped, name, native, change):
                continue
            mapped = _written_anew(profile, mapped, name, native, change.of_rule)
            for arch in _wrong(profile, mapped, name, native, change):
                notes.append(f"{name} is not treated exactly as meant for {arch} programs.")
    return mapped, tuple(notes)


def _replaced(profile: Profile, change: Change) -> Profile:
    def changed(rule: Rule) -> Rule:
        action, errno_ret = change.of_rule((rule.action, rule.errno_ret))
        return replace(rule, action=action, errno_ret=errno_ret)

    action, errno_ret = change.of_default((profile.default_action, profile.default_errno_ret))
    rules = tuple(changed(rule) for rule in profile.rules)
    return replace(profile, default_action=action, default_errno_ret=errno_ret, rules=rules)


def _with_several_actions(profile: Profile) -> list[str]:
    """Syscalls for which rules with different actions stand in the profile; all others are right by themselves."""
    decisions: dict[str, set[Decision]] = {}
    for rule in profile.rules:
        for name in rule.names:
            decisions.setdefault(name, set()).add(decision_of(rule.action, rule.errno_ret))
    return sorted(name for name, found in decisions.items() if len(found) > 1)


def _natives(profile: Profile) -> Iterator[str]:
    """The architectures of nodes for which the profile is made: those it lists, all if it lists none."""
    for native in ("amd64", "arm64"):
        own = {arch.token for arch in ARCHITECTURES.values() if arch.native == native}
        if not profile.architectures or own & set(profile.architectures):
            yield native


def _wrong(profile: Profile, mapped: Profile, name: str, native: str, change: Change) -> list[str]:
    """The architectures of programs for which ``mapped`` does not do what it should."""
    default = default_of(profile)
    found = []
    for arch in program_architectures((profile,), native):
        if number(name, arch) is None:
            continue
        before, after = compare((profile, mapped), name, arch).decisions
        pairs = zip(before, after, strict=True)
        if any(new not in change.wanted(old, default) for old, new in pairs if old != FALLBACK):
            found.append(arch)
    return found


def _written_anew(profile: Profile, mapped: Profile, name: str, native: str, rule_map: ActMap) -> Profile:
    """``mapped`` with rules for ``name`` that do not overlap: one set of conditions for each outcome."""
    comparison: Comparison = compare((profile,), name, native)
    (decisions,) = comparison.decisions
    others = (replace(rule, names=tuple(n for n in rule.names if n != name)) for rule in mapped.rules)
    rules = [rule for rule in others if rule.names]
    default = default_of(profile)
    for decision in dict.fromkeys(decisions):
        if decision != default:
            action, errno_ret = rule_map((decision.action, decision.errno))
            where = [found == decision for found in decisions]
            terms = ((),) if all(where) else terms_where(comparison, (profile,), where)
            rules += [Rule((name,), action, errno_ret, term) for term in terms]
    return mapped.with_rules(tuple(rules))

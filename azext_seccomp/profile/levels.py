# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How libseccomp takes tests out of its decision tree (``src/db.c``: ``_db_tree_put`` and what it calls).

It frees a test when nothing points to it any more, by a count that it keeps with each test. Where it takes out the
first or the last of several tests of a level the count of a neighbour stays too great, and that one is never freed.
What was freed decides how far it searches for other ways to a test, and which rules it keeps.
"""

from azext_seccomp.profile.chain import ActionT, Branch, Test


def release(branch: Branch[ActionT]) -> int:
    """Let ``branch`` lead nowhere; how many tests are freed (``_db_tree_put``)."""
    if branch.entry is None:
        return 0
    freed, branch.entry = drop(branch.entry)
    return freed if branch.entry is None else freed + _clean(branch.entry)


def drop(test: Test[ActionT]) -> tuple[int, Test[ActionT] | None]:
    """Take one reference off ``test``, and free it if it was the last (``_db_node_put``).

    :return: how many tests are freed, and the test or else a neighbour of it.
    """
    test.references -= 1
    if test.references:
        return 0, test
    freed = 1
    previous, following = test.previous, test.following
    if previous is not None:
        previous.following = None
    if following is not None:
        following.previous = None
    if previous is not None:
        more, previous = drop(previous)
        freed += more
    if following is not None:
        more, following = drop(following)
        freed += more
    if previous is not None:
        previous.following = _referenced(following)
    if following is not None:
        following.previous = _referenced(previous)
    return freed + release(test.true) + release(test.false), previous or following


def remove(branch: Branch[ActionT], test: Test[ActionT]) -> int:
    """Take ``test`` out of all that ``branch`` leads to, and tests above it that then lead nowhere
    (``_db_tree_remove``).

    :return: how many tests are freed. libseccomp goes on to look for ``test`` on other ways until some are.
    """
    freed = 0
    at = branch.entry and branch.entry.first()
    while at is not None and not freed:
        if at is not test:
            freed += remove(at.true, test) + remove(at.false, test)
        if at is test or not (at.true.leads_on() or at.false.leads_on()):
            return freed + _unlink(branch, at)
        at = at.following
    return freed


def _unlink(branch: Branch[ActionT], test: Test[ActionT]) -> int:
    if branch.entry is test:
        branch.entry = test.previous or test.following
    if test.previous is not None:
        test.previous.following = test.following
    if test.following is not None:
        test.following.previous = test.previous
    test.previous = test.following = None
    return drop(test)[0]


def _clean(test: Test[ActionT]) -> int:
    """Free the level of ``test`` if only its own tests point to it (``_db_level_clean``)."""
    level = test.level()
    if any(t.references > (t.previous is not None) + (t.following is not None) for t in level):
        return 0
    freed = 0
    at: Test[ActionT] | None = level[0]
    while at is not None:
        more, at = drop(at)
        freed += more
    return freed


def _referenced(test: Test[ActionT] | None) -> Test[ActionT] | None:
    if test is not None:
        test.references += 1
    return test

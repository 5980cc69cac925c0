# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.cluster import retry
from azext_seccomp.cluster.request import Request


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("1" * 9, None), ("١", None)],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry.retry_after({"Retry-After": value}) == seconds


def test_delays_grow_and_are_bounded() -> None:
    delays = [retry.delay_before(attempt) for attempt in range(1, 12)]
    assert delays[0] < 0.5
    assert delays[3] > 1.9
    assert max(delays) <= 37.5
    assert retry.delay_before(1, asked_for=10_000) <= 37.5


@pytest.mark.parametrize(
    ("status", "headers", "repeatable", "again"),
    [
        (429, {}, False, True),
        (503, {}, True, True),
        (503, {}, False, False),
        (503, {"Retry-After": "1"}, False, True),
        (500, {"Retry-After": "1"}, False, True),
        (403, {"Retry-After": "1"}, True, False),
        (409, {}, True, False),
    ],
)
def test_what_may_be_sent_again(status: int, headers: dict[str, str], repeatable: bool, again: bool) -> None:
    request = Request("POST", "/api/v1/namespaces/shop/pods", repeatable=repeatable)
    assert retry.status_passes(status, headers, request) is again


@pytest.mark.parametrize(("status", "again"), [(429, False), (503, True)])
def test_a_disruption_budget_is_not_asked_again_at_once(status: int, again: bool) -> None:
    request = Request("POST", "/api/v1/namespaces/shop/pods/web-1/eviction", repeatable=False)
    assert retry.status_passes(status, {"Retry-After": "10"}, request) is again


def test_patience_starts_afresh_with_each_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    patience = retry.Patience(60)
    now[0] = 59
    assert patience.next_delay() is not None
    patience.answered()
    now[0] = 118
    assert patience.next_delay() is not None
    now[0] = 120
    assert patience.next_delay() is None

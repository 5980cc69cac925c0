# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Tokens of the signed-in account, as az gives them."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from azure.cli.core.azclierror import AuthenticationError
from knack.util import CLIError

from azext_seccomp import _clients
from azext_seccomp.errors import Unauthenticated, Unreachable

HOME, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


class Profile:
    """``azure.cli.core._profile.Profile`` with one account; notes what is asked."""

    asked: dict[str, Any]
    error: Exception | None = None

    def __init__(self, cli_ctx: Any) -> None:
        pass

    def get_subscription(self, subscription: str | None) -> dict[str, str]:
        return {"tenantId": HOME}

    def get_raw_token(self, **asked: Any) -> Any:
        if Profile.error:
            raise Profile.error
        Profile.asked = asked
        return ("Bearer", "the-token", {"expires_on": 1_800_000_000}), "subscription", HOME


@pytest.fixture(autouse=True)
def profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Profile, "error", None)
    monkeypatch.setattr(_clients, "Profile", Profile)


def token(tenant: str) -> Any:
    return _clients._entra_token(SimpleNamespace(data={"subscription_id": "sub"}), "the-application", tenant)


def test_a_token_and_its_end() -> None:
    found = token(HOME)
    assert (found.value, found.expires_on) == ("the-token", 1_800_000_000.0)


@pytest.mark.parametrize("tenant", ["", HOME])
def test_of_the_accounts_own_tenant_by_the_subscription_in_use(tenant: str) -> None:
    token(tenant)
    assert Profile.asked == {"resource": "the-application", "subscription": "sub"}


def test_of_another_tenant() -> None:
    token(OTHER)
    assert Profile.asked == {"resource": "the-application", "tenant": OTHER}


def test_azs_advice_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "AADSTS50076: multi-factor authentication is required."
    error = AuthenticationError(words, recommendation="az login --scope the-application/.default")
    monkeypatch.setattr(Profile, "error", error)
    with pytest.raises(Unauthenticated) as caught:
        token(HOME)
    assert caught.value.why == words
    assert caught.value.fix == "az login --scope the-application/.default"


def test_without_advice_to_sign_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Profile, "error", CLIError("not supported"))
    with pytest.raises(Unauthenticated, match="not supported") as caught:
        token(HOME)
    assert "az login" in caught.value.fix


@pytest.mark.parametrize("error", [requests.ConnectionError("reset"), requests.Timeout("late")])
def test_a_sign_in_service_that_is_away_is_a_connection_to_try_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Threads that follow a cluster for hours live through it: they catch what is ours."""
    monkeypatch.setattr(Profile, "error", error)
    with pytest.raises(Unreachable, match="sign-in service"):
        token(HOME)

"""The parameters of the page."""

from __future__ import annotations

import pytest

from sampt_ros.config.web import TOKEN_VARIABLE, WebConfig, with_token
from sampt_ros.errors import ConfigError


@pytest.mark.parametrize("token", ["short", "with blanks in it", "ünïcödé-token", "a,comma,in,it"])
def test_a_token_that_a_browser_cannot_send_is_refused(token):
    with pytest.raises(ConfigError, match="token: expected at least 8 letters, digits"):
        WebConfig(token=token)


def test_the_environment_names_the_token_unless_the_parameter_does(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "of-the-environment")
    assert with_token(WebConfig()).token == "of-the-environment"
    assert with_token(WebConfig(token="of-the-parameter")).token == "of-the-parameter"


def test_by_default_the_page_is_for_this_machine_alone(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert (with_token(WebConfig()).host, with_token(WebConfig()).token) == ("127.0.0.1", "")

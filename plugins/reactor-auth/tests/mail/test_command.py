"""`reactor auth outbox`."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from reactor_auth.cli_outbox import outbox
from reactor_kernel.testing.project import ADMIN_TOKEN


class Command:
    """What the tool hands a command, over the server under test."""

    def __init__(self, api, output):
        self.api = api
        self.output = output

    def request(self, method, path, *, params=None, body=None):
        answer = self.api.client.request(
            method, path, params=params, json=body, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def emit(self, data, human):
        click.echo(json.dumps(data) if self.output == "json" else human if isinstance(human, str) else human())


@pytest.fixture
def auth_config(auth_config):
    del auth_config["smtp"]
    return auth_config


def run(api, *arguments, output="human"):
    done = CliRunner().invoke(outbox, arguments, obj=Command(api, output), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_it_shows_mails_with_their_links_in_development(api):
    assert run(api) == "The outbox is empty.\n"
    api.sign_up("ann@example.com")
    api.sign_up("bob@example.com")
    api.do_mail_work()
    shown = run(api, "--to", "ann@example.com")
    first, second = shown.splitlines()[:2]
    assert first.endswith("Z  logged    verification        ann@example.com")
    assert second == "    Confirm your e-mail address for Reactor"
    assert "/auth/v1/verify?token=" in shown
    assert "bob@example.com" not in shown
    assert len(json.loads(run(api, output="json"))) == 2
    assert CliRunner().invoke(outbox, ["--limit", "0"], obj=Command(api, "human")).exit_code == 2

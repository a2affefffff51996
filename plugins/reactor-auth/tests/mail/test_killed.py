"""A process that is killed while it hands a mail over."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.testing import raw_config

NODE = """
import sys, threading
from pathlib import Path
from reactor_auth.mail.postoffice import PostOffice
from reactor_kernel.config.loader import load
from reactor_kernel.kernel import Kernel, Stage
kernel = Kernel(load(None, environ={}, flags={}, cwd=Path(sys.argv[1])))
kernel.boot(Stage.MIGRATED)
[plugin] = [plugin for plugin in kernel.enabled if plugin.name == "auth"]
PostOffice(plugin.instance._auth(kernel.context_for(plugin))).turn(threading.Event())
"""


@pytest.mark.faults
def test_the_mail_it_held_arrives_once_its_lease_ends(
    frozen_clock, smtp, api, reactor_config, reactor_database_url, tmp_path
):
    sink = smtp.start()
    holds = threading.Event()
    take = sink.handle_DATA

    async def never_answer(server, session, envelope):
        holds.set()
        await asyncio.sleep(600)

    sink.handle_DATA = never_answer
    with api.kernel.database.begin() as tx:
        api.auth().mailer.queue(
            tx, "verification", "ann@example.com", {"verify_link": "http://a.example/?t=1", "expires_hours": 24}
        )
    project = tmp_path / "node"
    project.mkdir()
    raw_config(project, [AuthPlugin], reactor_config, database_url=reactor_database_url)
    node = subprocess.Popen([sys.executable, "-c", NODE, str(project)])
    try:
        assert holds.wait(60), node.poll()
    finally:
        node.kill()
        node.wait()
    assert api.sql("SELECT state, attempts FROM _reactor_auth.mail_outbox") == [["queued", "1"]]

    sink.handle_DATA = take
    frozen_clock.set(datetime.now(UTC) + timedelta(seconds=290))
    api.do_mail_work()
    assert sink.arrived == []
    frozen_clock.advance(seconds=20)
    api.do_mail_work()
    assert [message["To"] for message in sink.arrived] == ["ann@example.com"]
    assert api.sql("SELECT state, attempts FROM _reactor_auth.mail_outbox") == [["sent", "2"]]

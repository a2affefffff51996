"""How mails look, and what a project may change about them."""

from __future__ import annotations

import pytest

from reactor_auth.mail.catalog import COMMON, KINDS
from reactor_auth.mail.templates import Templates
from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import BootError


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "mails"
    found.mkdir()
    return found


def fault_messages(kernel_factory, auth_config, folder):
    auth_config["mail"] = {"templates_dir": str(folder)}
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": auth_config})
    assert {fault.subject for fault in stopped.value.faults} == {"auth.mail.templates_dir"}
    return [fault.message for fault in stopped.value.faults]


def test_every_mail_shows_each_of_its_variables_and_escapes_them():
    for kind in KINDS.values():
        values = {name: f"<{name}&>" for name in (*COMMON, *kind.variables)}
        rendered = Templates(None).render(kind.name, values)
        for name in kind.variables:
            assert f"<{name}&>" in rendered.text + rendered.subject, (kind.name, name)
            assert f"&lt;{name}&amp;&gt;" in rendered.html, (kind.name, name)
        assert "<to&>" not in rendered.html


def test_a_project_replaces_templates_one_by_one(auth_config, folder, smtp, request):
    (folder / "verification.txt").write_text("Subject: Hi from {{ app_name }}\n\n{{ verify_link }} for {{ to }}")
    (folder / "layout.html").write_text("<body><h1>{{ app_name }} & Co</h1>{% block content %}{% endblock %}</body>")
    auth_config["mail"] = {"templates_dir": str(folder)}
    auth_config["pages"] = {"name": "A<c>me"}
    api = request.getfixturevalue("api")
    sink = smtp.start()
    with api.kernel.database.begin() as tx:
        variables = {"verify_link": "http://a.example/?t=1", "expires_hours": 24}
        api.auth().mailer.queue(tx, "verification", "ann@example.com", variables)
    api.do_mail_work()
    [message] = sink.arrived
    assert message["Subject"] == "Hi from A<c>me"
    [(text, html)] = sink.bodies()
    assert text == "http://a.example/?t=1 for ann@example.com\r\n"
    assert html.startswith("<body><h1>A&lt;c&gt;me & Co</h1>")
    assert '<a href="http://a.example/?t=1"' in html


def test_a_broken_template_stops_the_boot(kernel_factory, auth_config, folder):
    (folder / "verification.txt").write_text("Subject: Hi\n\n{{ verify_lnk }}")
    (folder / "invitation.html").write_text("\n{% if org_name %}")
    (folder / "password_reset.txt").write_text("{{ reset_link }}")
    (folder / "magic_link.html").write_text("{{ code.__class__.__mro__ }}")
    (folder / "new_device.txt").write_bytes(b"Subject: \xff\n")
    (folder / "verifcation.html").write_text("x")
    known = ", ".join(sorted(["layout.html", *(f"{name}.{end}" for name in KINDS for end in ("txt", "html"))]))
    variables = ", ".join(sorted([*COMMON, "verify_link", "expires_hours"]))
    found = fault_messages(kernel_factory, auth_config, folder)
    assert found[0] == f"verifcation.html is no template of a mail; there are {known}"
    assert f"verification.txt: 'verify_lnk' is undefined; it may use {variables}" in found
    assert "password_reset.txt: the first line must be the subject: Subject: …" in found
    [syntax] = [message for message in found if message.startswith("invitation.html, line 2: ")]
    assert "Unexpected end of template" in syntax
    [unsafe] = [message for message in found if message.startswith("magic_link.html: ")]
    assert "unsafe" in unsafe
    assert any(message.startswith("new_device.txt: 'utf-8' codec can't decode") for message in found)
    assert len(found) == 6


def test_a_missing_directory_stops_the_boot(kernel_factory, auth_config, folder):
    gone = folder / "gone"
    assert fault_messages(kernel_factory, auth_config, gone) == [f"there is no directory {gone}"]


def test_a_template_broken_while_the_server_runs_loses_no_mail(auth_config, folder, smtp, frozen_clock, request):
    auth_config["mail"] = {"templates_dir": str(folder)}
    api = request.getfixturevalue("api")
    sink = smtp.start()
    file = folder / "verification.txt"
    file.write_text("{{ nothing }}")
    with api.kernel.database.begin() as tx:
        api.auth().mailer.queue(tx, "verification", "ann@example.com", {"verify_link": "x", "expires_hours": 24})
    api.do_mail_work()
    [[state, error]] = api.sql("SELECT state, last_error FROM _reactor_auth.mail_outbox")
    assert state == "queued"
    assert error.startswith("it cannot be rendered: verification.txt: 'nothing' is undefined")
    [probe] = [owned.item for owned in api.kernel.collected.probes if owned.item.name == "auth mail"]
    assert probe.check().message.startswith("a template of a mail is broken: verification.txt: 'nothing' is undefined")
    file.unlink()
    frozen_clock.advance(seconds=12)
    api.do_mail_work()
    assert len(sink.arrived) == 1


def test_the_seam_refuses_other_mails_and_other_variables(api):
    mailer = api.auth().mailer
    with api.kernel.database.begin() as tx:
        with pytest.raises(ValueError, match="there is no mail 'welcome'; there are verification, "):
            mailer.queue(tx, "welcome", "a@example.com", {})
        with pytest.raises(ValueError, match="mail verification lacks verify_link, knows no link"):
            mailer.queue(tx, "verification", "a@example.com", {"link": "x", "expires_hours": 24})
        mailer.queue(tx, "verification", "", {"verify_link": "x", "expires_hours": 24})
    assert api.sql("SELECT count(*) FROM _reactor_auth.mail_outbox") == [["0"]]

"""From `mailer.queue` to a mailbox, over a real SMTP conversation."""

from __future__ import annotations

import logging
import re

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import Readiness

LINK = "http://127.0.0.1:8000/auth/v1/verify?token=s3cr3t-t0k3n"
VERIFICATION = {"verify_link": LINK, "expires_hours": 24}


@pytest.fixture(autouse=True)
def _frozen(frozen_clock):
    """Every test here decides when a mail is due again."""


def queue(api, to="ann@example.com", template="verification", variables=None, **options):
    with api.kernel.database.begin() as tx:
        api.auth().mailer.queue(tx, template, to, variables or VERIFICATION, **options)


def row(api):
    [found] = api.sql("SELECT state, attempts, variables_sealed, last_error FROM _reactor_auth.mail_outbox")
    return found


def probe(api):
    [found] = [owned.item for owned in api.kernel.collected.probes if owned.item.name == "auth mail"]
    return found.check()


def test_a_mail_arrives_and_its_contents_are_erased(api, smtp, caplog):
    sink = smtp.start()
    caplog.set_level(logging.DEBUG)
    queue(api)
    state, attempts, sealed, _ = row(api)
    assert (state, attempts) == ("queued", "0")
    assert "s3cr3t" not in sealed

    api.do_mail_work()
    [message] = sink.arrived
    assert message["From"] == "Acme <no-reply@acme.example>"
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == "Confirm your e-mail address for Reactor"
    assert message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[0-9a-f-]{36}@acme\.example>", message["Message-ID"])
    [(text, html)] = sink.bodies()
    assert LINK in text
    assert f'<a href="{LINK}"' in html
    assert row(api) == ["sent", "1", None, None]
    assert [record for record in caplog.records if "s3cr3t" in record.getMessage()] == []
    assert probe(api).status is Readiness.OK

    api.do_mail_work()
    assert len(sink.arrived) == 1


def test_what_is_rolled_back_is_not_sent(api, smtp):
    sink = smtp.start()

    def fails_after_queueing():
        with api.kernel.database.begin() as tx:
            api.auth().mailer.queue(tx, "verification", "ann@example.com", VERIFICATION)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_after_queueing()
    api.do_mail_work()
    assert sink.arrived == []


def test_a_mail_waits_for_a_relay_that_is_down(api, smtp, frozen_clock):
    queue(api)
    api.do_mail_work()
    state, attempts, sealed, error = row(api)
    assert (state, attempts) == ("queued", "1")
    assert sealed is not None
    assert f"127.0.0.1:{smtp.sink.port} cannot be reached" in error
    assert probe(api).status is Readiness.FAIL
    assert "takes no mail" in probe(api).message

    sink = smtp.start()
    frozen_clock.advance(seconds=12)
    api.do_mail_work()
    assert len(sink.arrived) == 1
    assert row(api) == ["sent", "2", None, None]


def test_a_relay_that_lets_nobody_in_costs_one_attempt_of_one_mail(api, smtp):
    for number in range(3):
        queue(api, f"user{number}@example.com")
    api.do_mail_work()
    assert api.sql("SELECT attempts FROM _reactor_auth.mail_outbox ORDER BY id") == [["1"], ["0"], ["0"]]


def test_a_node_killed_between_claim_and_sending_loses_no_mail(api, smtp, frozen_clock):
    from datetime import timedelta

    from reactor_auth.queries import outbox as sql

    sink = smtp.start()
    queue(api)
    now = frozen_clock.now()
    [claimed] = api.kernel.database.run(None, [sql.claim(now, now + timedelta(seconds=300))])
    assert len(claimed.rows) == 1
    api.do_mail_work()
    assert sink.arrived == []
    frozen_clock.advance(seconds=301)
    api.do_mail_work()
    assert len(sink.arrived) == 1
    assert row(api) == ["sent", "2", None, None]


def test_a_mail_nobody_takes_is_given_up_visibly(auth_config, smtp, frozen_clock, caplog, request):
    auth_config["mail"] = {"max_attempts": 3}
    api = request.getfixturevalue("api")
    sink = smtp.start()
    sink.refuse_data = "451 come back later"
    queue(api)
    for _ in range(3):
        api.do_mail_work()
        frozen_clock.advance(hours=1)
    reason = "the relay answers 451 come back later"
    assert row(api) == ["failed", "3", None, reason]
    assert re.search(rf"mail [0-9a-f-]+ \(verification\) is given up after 3 attempts: {reason}", caplog.text)


@pytest.mark.parametrize("where", ["refuse_recipient", "refuse_data"])
def test_a_final_refusal_is_not_tried_again(api, smtp, where):
    sink = smtp.start()
    setattr(sink, where, "550 no such mailbox")
    queue(api)
    queue(api, "bob@example.com")
    api.do_mail_work()
    assert (
        api.sql("SELECT state, attempts, last_error FROM _reactor_auth.mail_outbox")
        == [["failed", "1", "the relay answers 550 no such mailbox"]] * 2
    )


def test_what_is_of_no_use_any_more_is_not_sent_late(api, smtp, frozen_clock):
    from datetime import timedelta

    sink = smtp.start()
    queue(api, expires_at=frozen_clock.now() + timedelta(minutes=10))
    frozen_clock.advance(minutes=11)
    api.do_mail_work()
    assert sink.arrived == []
    assert row(api)[0] == "expired"


def test_names_cannot_add_headers_lines_or_markup(api, smtp):
    sink = smtp.start()
    evil = "Acme\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\x00"
    variables = {"org_name": evil, "role_name": "member", "invite_link": "http://x.example/?t=1", "expires_hours": 168}
    queue(api, template="invitation", variables=variables)
    api.do_mail_work()
    [message] = sink.arrived
    assert sink.envelopes[0].rcpt_tos == ["ann@example.com"]
    assert message["Bcc"] is None
    name = "Acme Bcc: eve@example.com <script>alert(1)</script>"
    assert message["Subject"] == f"You are invited to {name} at Reactor"
    [(text, html)] = sink.bodies()
    assert f"You are invited to join {name} as member:\r\n" in text
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("address", "envelope"),
    [
        ("ü@exämple.de", "ü@xn--exmple-cua.de"),
        ("ann@exämple.de", "ann@xn--exmple-cua.de"),
        ("o'brien+tag@example.com", "o'brien+tag@example.com"),
    ],
)
def test_unicode_addresses(api, smtp, address, envelope):
    sink = smtp.start(enable_SMTPUTF8=True)
    queue(api, address)
    api.do_mail_work()
    assert row(api)[0] == "sent", row(api)
    assert sink.envelopes[0].rcpt_tos == [envelope]


def test_an_address_the_relay_cannot_write_is_given_up(api, smtp):
    smtp.start(enable_SMTPUTF8=False)
    queue(api, "ü@exämple.de")
    api.do_mail_work()
    state, _, _, error = row(api)
    assert state == "failed"
    assert error.startswith("the relay cannot mail this address: ")


def test_starttls_is_demanded(auth_config, smtp, request):
    auth_config["smtp"]["tls"] = "starttls"
    api = request.getfixturevalue("api")
    sink = smtp.start()
    queue(api)
    api.do_mail_work()
    assert sink.arrived == []
    assert row(api)[3] == "SMTPNotSupportedError: STARTTLS extension not supported by server."


def test_tls_is_demanded(auth_config, smtp, request):
    auth_config["smtp"]["tls"] = "tls"
    api = request.getfixturevalue("api")
    sink = smtp.start()
    queue(api)
    api.do_mail_work()
    assert sink.arrived == []
    assert "cannot be reached: [SSL" in row(api)[3]


@pytest.fixture
def strict_relay(smtp, certificate):
    """Demands TLS and the account relay-user."""
    return smtp.start(
        tls_context=certificate.server, require_starttls=True, auth_required=True, authenticator=smtp.one_account
    )


def test_a_relay_that_cannot_prove_its_name_gets_nothing(auth_config, strict_relay, request):
    auth_config["smtp"] |= {"host": "localhost", "tls": "starttls"}
    api = request.getfixturevalue("api")
    queue(api)
    api.do_mail_work()
    assert "certificate verify failed" in row(api)[3]
    assert strict_relay.arrived == []


def test_a_wrong_password_is_told_and_never_shown(auth_config, strict_relay, certificate, request, caplog):
    auth_config["smtp"] |= {
        "host": "localhost",
        "tls": "starttls",
        "ca_file": str(certificate.file),
        "user": "relay-user",
        "password": "wr0ng-pass",
    }
    api = request.getfixturevalue("api")
    queue(api)
    api.do_mail_work()
    assert row(api)[3] == "the relay answers 535 5.7.8 Authentication credentials invalid"
    found = probe(api)
    assert found.status is Readiness.FAIL
    assert found.message.endswith("takes no mail: the relay answers 535 5.7.8 Authentication credentials invalid")
    assert "wr0ng-pass" not in "".join(record.getMessage() for record in caplog.records)


def test_starttls_with_a_password(auth_config, strict_relay, certificate, request):
    auth_config["smtp"] |= {
        "host": "localhost",
        "tls": "starttls",
        "ca_file": str(certificate.file),
        "user": "relay-user",
        "password": "relay-secret",
    }
    api = request.getfixturevalue("api")
    queue(api)
    api.do_mail_work()
    assert row(api)[0] == "sent", row(api)
    assert strict_relay.sessions[0].ssl is not None
    assert probe(api).status is Readiness.OK


def test_mail_settings_are_checked(kernel_factory, auth_config, tmp_path):
    from reactor_kernel.api import BootError

    auth_config["smtp"] = {
        "host": "",
        "from": "no-reply@example.com\r\nBcc: eve@example.com",
        "tls": "ssl",
        "user": "me",
        "ca_file": str(tmp_path / "absent.pem"),
    }
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": auth_config})
    assert [(fault.subject, fault.message) for fault in stopped.value.faults] == [
        ("auth.smtp.tls", 'must be "starttls", "tls" or "none", not "ssl"'),
    ]
    auth_config["smtp"]["tls"] = "tls"
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": auth_config})
    assert [(fault.subject, fault.message) for fault in stopped.value.faults] == [
        ("auth.smtp.host", "must not be empty"),
        ("auth.smtp.from", "must be one mailbox, such as no-reply@example.com or Acme <no-reply@example.com>"),
        ("auth.smtp.user", "user and password are given together or not at all"),
        ("auth.smtp.ca_file", f"there is no file {tmp_path / 'absent.pem'}"),
    ]


def test_the_service_sends_what_a_request_queues_at_once(smtp, live_server, api):
    sink = smtp.start()
    queue(api)
    assert sink.came.wait(20), row(api)
    assert sink.arrived[0]["To"] == "ann@example.com"


def test_tls_from_the_start(auth_config, smtp, certificate, request):
    auth_config["smtp"] |= {"host": "localhost", "tls": "tls", "ca_file": str(certificate.file)}
    api = request.getfixturevalue("api")
    sink = smtp.start(ssl_context=certificate.server)
    queue(api)
    api.do_mail_work()
    assert row(api)[0] == "sent", row(api)
    assert len(sink.arrived) == 1


def test_several_nodes_send_each_mail_once(api, smtp):
    from concurrent.futures import ThreadPoolExecutor

    sink = smtp.start()
    addresses = {f"user{number}@example.com" for number in range(20)}
    for address in addresses:
        queue(api, address)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: api.do_mail_work(), range(4)))
    assert sorted(message["To"] for message in sink.arrived) == sorted(addresses)


def test_outcomes_are_counted(api, client, smtp):
    from reactor_kernel.testing.project import ADMIN_TOKEN

    sink = smtp.start()
    queue(api)
    api.do_mail_work()
    sink.refuse_data = "550 no"
    queue(api)
    api.do_mail_work()
    queue(api)
    text = client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).text
    assert 'reactor_auth_mails_total{outcome="sent",template="verification"} 1.0' in text
    assert 'reactor_auth_mails_total{outcome="failed",template="verification"} 1.0' in text
    assert "reactor_auth_mails_waiting 1.0" in text

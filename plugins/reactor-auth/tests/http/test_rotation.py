"""Renewing the signing key: by hand, in time, after a compromise."""

from __future__ import annotations

import base64
import json
import threading

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import Readiness
from reactor_kernel.testing.project import ADMIN_TOKEN

PENDING = "A new signing key is published already and does not sign yet."
PENDING_HINT = 'Wait until it does, or send {"compromised": true} to replace every key at once.'


def parts(kernel):
    return kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0]))


def rotate(api, body=None, token=ADMIN_TOKEN):
    return api.call("POST", "/_admin/rotate-keys", token=token, json=body)


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def kids(api):
    return [key["kid"] for key in api.call("GET", "/keys").json()["keys"]]


def trail(api):
    rows = api.sql(
        "SELECT event_type, resource, actor_user_id::text, details::text FROM _reactor_auth.audit_events "
        "WHERE event_type LIKE 'signing_key.%' ORDER BY ts, id"
    )
    return [(*row[:3], json.loads(row[3])) for row in rows]


def test_a_new_key_is_published_then_signs_and_the_old_one_goes_a_week_later(frozen_clock, api, ann):
    old = kid_of(ann.access_token)
    answer = rotate(api)
    assert answer.status_code == 200
    new = answer.json()["kid"]
    assert answer.json() == {
        "kid": new,
        "activates_at": "2026-01-01T12:10:00+00:00",
        "previous_kid": old,
        "previous_retires_at": "2026-01-08T12:10:00+00:00",
    }
    assert kids(api) == [new, old]
    frozen_clock.advance(seconds=599)
    last = api.refresh(ann.refresh_token).json()
    assert kid_of(last["access_token"]) == old
    frozen_clock.advance(seconds=1)
    first = api.refresh(last["refresh_token"]).json()
    assert kid_of(first["access_token"]) == new
    for token in (ann.access_token, last["access_token"], first["access_token"]):
        assert api.call("GET", "/user", token=token).status_code == 200
    rotation = parts(api.kernel).rotation
    frozen_clock.advance(days=6, hours=23, minutes=59, seconds=59)
    rotation.tend()
    assert kids(api) == [new, old]
    frozen_clock.advance(seconds=1)
    rotation.tend()
    assert kids(api) == [new]
    assert api.sql("SELECT private_key_pem FROM _reactor_auth.signing_keys WHERE kid = $1", old) == [[""]]
    assert trail(api) == [
        (
            "signing_key.rotated",
            f"signing_key:{new}",
            None,
            {"trigger": "admin", "previous": old, "activates_at": "2026-01-01T12:10:00+00:00"},
        ),
        ("signing_key.retired", f"signing_key:{old}", None, {}),
    ]


def test_only_the_admin_rotates_and_one_rotation_at_a_time(frozen_clock, api, ann):
    assert rotate(api, token=None).status_code == 401
    assert rotate(api, token=ann.access_token).status_code == 401
    assert len(kids(api)) == 1
    first = rotate(api, {"lead_secs": 60}).json()
    assert first["activates_at"] == "2026-01-01T12:01:00+00:00"
    details = {"kid": first["kid"], "activates_at": first["activates_at"]}
    api.refused(rotate(api), 409, "rotation_pending", PENDING, hint=PENDING_HINT, details=details)
    frozen_clock.advance(seconds=60)
    second = rotate(api, {"lead_secs": 0}).json()
    assert second["activates_at"] == "2026-01-01T12:01:00+00:00"
    assert kid_of(api.sign_in("ann@example.com").access_token) == second["kid"]


BAD_BODIES = [
    ({"lead_secs": -1}, "lead_secs", "must be a whole number from 0 to 604800"),
    ({"lead_secs": "soon"}, "lead_secs", "must be a whole number or null, not a string"),
    ({"compromised": True, "lead_secs": 5}, "lead_secs", "must be left out where the keys are compromised"),
]


def test_a_bad_wish_changes_nothing(api):
    before = kids(api)
    for body, field, problem in BAD_BODIES:
        answer = rotate(api, body)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "validation_error"
        assert list(answer.json()["error"]["fields"]) == [field], problem
    assert kids(api) == before
    assert trail(api) == []


def test_after_a_compromise_nothing_the_old_keys_signed_is_believed(frozen_clock, api, ann):
    old = kid_of(ann.access_token)
    pending = rotate(api).json()["kid"]
    assert ann.get("/user").status_code == 200
    answer = rotate(api, {"compromised": True})
    assert answer.status_code == 200
    new = answer.json()["kid"]
    assert new not in (old, pending)
    assert kids(api) == [new]
    api.refused(ann.get("/user"), 401, "invalid_token", "the access token was signed with an unknown key")
    # Nobody is signed out: the refresh token is no signature.
    frozen_clock.advance(seconds=1)
    renewed = api.refresh(ann.refresh_token).json()
    assert kid_of(renewed["access_token"]) == new
    assert api.call("GET", "/user", token=renewed["access_token"]).status_code == 200
    assert api.sql("SELECT count(*) FROM _reactor_auth.signing_keys WHERE private_key_pem <> ''") == [["1"]]


def test_keys_are_renewed_in_time_and_a_restart_forgets_nothing(
    frozen_clock, api, ann, kernel_factory, reactor_config, reactor_database_url
):
    rotation, old = parts(api.kernel).rotation, kid_of(ann.access_token)
    frozen_clock.advance(days=89, hours=23, minutes=49)
    rotation.tend()
    assert kids(api) == [old]
    frozen_clock.advance(minutes=1)
    rotation.tend()
    rotation.tend()
    [new, _] = kids(api)
    assert kid_of(api.sign_in("ann@example.com").access_token) == old
    again = kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    assert parts(again).keys.signer().kid == old
    frozen_clock.advance(minutes=10)
    assert parts(again).keys.signer().kid == new
    assert parts(again).rotation.tend() is None
    assert kids(api) == [new, old]
    assert [row[3]["trigger"] for row in trail(api)] == ["scheduled"]


def test_rotation_by_hand_only(frozen_clock, auth_config, request):
    auth_config["key_rotation_secs"] = 0
    api = request.getfixturevalue("api")
    before = kids(api)
    frozen_clock.advance(days=4000)
    parts(api.kernel).rotation.tend()
    assert kids(api) == before


def test_two_nodes_rotating_at_once_make_one_key(api, kernel_factory, reactor_config, reactor_database_url):
    from concurrent.futures import ThreadPoolExecutor

    from reactor_auth.errors import RotationPending
    from reactor_auth.rotation import NOBODY

    nodes = [api.kernel, kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)]

    def attempt(number):
        try:
            return parts(nodes[number % 2]).rotation.rotate(NOBODY).kid
        except RotationPending:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [kid for kid in pool.map(attempt, range(6)) if kid is not None]
    assert len(made) == 1
    assert api.sql("SELECT count(*) FROM _reactor_auth.signing_keys") == [["2"]]


def test_a_rotation_that_cannot_be_audited_does_not_happen(api):
    before = kids(api)
    api.sql("ALTER TABLE _reactor_auth.audit_events ADD CONSTRAINT no_more CHECK (event_type <> 'signing_key.rotated')")
    assert rotate(api).status_code == 500
    assert rotate(api, {"compromised": True}).status_code == 500
    assert kids(api) == before
    assert api.sql("SELECT count(*) FROM _reactor_auth.signing_keys WHERE retired_at IS NULL") == [["1"]]


def test_the_service_rotates_and_withdraws_by_itself(auth_config, request):
    """Real time, seconds instead of months."""
    import time

    auth_config.update(access_ttl_secs=5, key_rotation_secs=2, key_lead_secs=1, key_overlap_secs=35)
    live = request.getfixturevalue("live_server")
    api = request.getfixturevalue("api")
    deadline = time.monotonic() + 30
    while len(kids(api)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    metrics = api.client.get("/metrics").text
    assert 'reactor_auth_key_rotations_total{trigger="scheduled"}' in metrics
    states = {status.name: status.restarts for status in live.kernel.supervisor.status()}
    assert states["auth-key-rotation"] == 0


def test_doctor_and_metrics_tell_how_old_the_key_is(frozen_clock, api, kernel, client):
    def verdict():
        [probe] = [owned.item for owned in kernel.collected.probes if owned.item.name == "auth key rotation"]
        return probe.check()

    frozen_clock.advance(days=30)
    assert (verdict().status, verdict().message) == (Readiness.OK, "the signing key is renewed in 5184000 s")
    lines = client.get("/metrics").text.splitlines()
    assert "reactor_auth_signing_keys 1.0" in lines
    assert "reactor_auth_signing_key_age_seconds 2.592e+06" in lines
    frozen_clock.advance(days=61)
    late = verdict()
    assert late.status is Readiness.WARN
    assert late.message == (
        "the signing key is 86400 s overdue; no node runs the service auth-key-rotation. Run: reactor auth rotate-keys"
    )
    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = '2026-01-02'")
    assert verdict().message == "no signing key is active"


def test_impossible_spans_are_refused(kernel_factory, auth_config):
    from reactor_kernel.api import BootError

    auth_config.update(key_overlap_secs=3600, key_rotation_secs=600)
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": auth_config})
    assert [(fault.subject, fault.message) for fault in stopped.value.faults] == [
        ("auth.key_overlap_secs", "must be at least access_ttl_secs + 30"),
        ("auth.key_rotation_secs", "must be 0 or longer than key_lead_secs"),
    ]


def test_stopping_ends_the_service(kernel):
    stop = threading.Event()
    stop.set()
    parts(kernel).rotation.run(stop)

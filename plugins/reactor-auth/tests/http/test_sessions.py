"""A user's own sessions: the list, ending them, and how long they last."""

from __future__ import annotations

import threading

import pytest

ENDED = (401, "session_revoked", "The session has been ended.")
GONE = (404, "session_not_found", "The caller has no such session that is still live.")
AGAIN = {"hint": "Sign in again."}
NEVER = threading.Event()


def parts(kernel):
    return kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0]))


def sessions(person):
    answer = person.get("/user/sessions")
    assert answer.status_code == 200, answer.text
    return answer.json()


def signed_in_with(api, agent):
    from collections import namedtuple

    answer = api.call(
        "POST",
        "/login",
        json={"email": "ann@example.com", "password": "correct horse"},
        headers={"User-Agent": agent},
    )
    return namedtuple("Pair", "token refresh")(answer.json()["access_token"], answer.json()["refresh_token"])


def test_the_list_says_where_and_since_when(frozen_clock, api, ann, bob):
    frozen_clock.advance(minutes=5)
    phone = signed_in_with(api, "Phone/1.0")
    [second, first] = api.call("GET", "/user/sessions", token=phone.token).json()
    ids = [
        row[0] for row in api.sql("SELECT id::text FROM _reactor_auth.sessions WHERE user_id = $1 ORDER BY 1", ann.id)
    ]
    assert second == {
        "id": ids[1],
        "created_at": "2026-01-01T12:05:00+00:00",
        "last_seen_at": "2026-01-01T12:05:00+00:00",
        "ip": "127.0.0.1",
        "user_agent": "Phone/1.0",
        "amr": ["pwd"],
        "current": True,
    }
    assert (first["id"], first["current"], first["created_at"]) == (ids[0], False, "2026-01-01T12:00:00+00:00")
    assert [session["current"] for session in sessions(ann)] == [False, True]
    assert len(api.call("GET", "/user/sessions?limit=1", token=phone.token).json()) == 1
    assert api.call("GET", "/user/sessions?offset=2", token=phone.token).json() == []
    answer = api.call("GET", "/user/sessions?limit=0", token=phone.token)
    problem = "must be a whole number from 1 to 1000"
    api.refused(answer, 400, "validation_error", f"limit {problem}", fields={"limit": [problem]})
    assert api.call("GET", "/user/sessions").status_code == 401


def test_one_session_is_ended_by_its_id(api, ann, bob):
    phone = signed_in_with(api, "Phone/1.0")
    assert api.call("GET", "/user", token=phone.token).status_code == 200
    other = next(session["id"] for session in sessions(ann) if not session["current"])
    api.refused(bob.delete(f"/user/sessions/{other}"), *GONE)
    answer = ann.delete(f"/user/sessions/{other}")
    assert (answer.status_code, answer.content) == (204, b"")
    api.refused(api.call("GET", "/user", token=phone.token), *ENDED, **AGAIN)
    api.refused(api.refresh(phone.refresh), *ENDED, **AGAIN)
    assert [session["current"] for session in sessions(ann)] == [True]
    api.refused(ann.delete(f"/user/sessions/{other}"), *GONE)
    answer = ann.delete("/user/sessions/mine")
    api.refused(answer, 400, "validation_error", "session_id is not a UUID", fields={"session_id": ["is not a UUID"]})
    assert api.sql(
        "SELECT event_type, details->>'reason' FROM _reactor_auth.audit_events WHERE resource = $1 ORDER BY ts, id",
        f"session:{other}",
    ) == [["session.created", None], ["session.revoked", "revoked"]]


@pytest.mark.parametrize(("scope", "mine"), [("others", 200), ("all", 401)])
def test_many_are_ended_together(api, ann, bob, scope, mine):
    phone = signed_in_with(api, "Phone/1.0")
    problem = "must be one of others, all"
    for path in ("/user/sessions", "/user/sessions?scope=", "/user/sessions?scope=global"):
        api.refused(ann.delete(path), 400, "validation_error", f"scope {problem}", fields={"scope": [problem]})
    assert ann.delete(f"/user/sessions?scope={scope}").status_code == 204
    assert ann.get("/user").status_code == mine
    assert api.call("GET", "/user", token=phone.token).status_code == 401
    assert bob.get("/user").status_code == 200


def test_use_is_noted_at_most_once_a_minute(frozen_clock, api, ann, kernel):
    seen = parts(kernel).seen

    def last_seen():
        return sessions(ann)[0]["last_seen_at"]

    assert last_seen() == "2026-01-01T12:00:00+00:00"
    frozen_clock.advance(seconds=59)
    assert ann.get("/user").status_code == 200
    assert seen.flush() == 0
    frozen_clock.advance(seconds=31)
    assert ann.get("/user").status_code == 200
    frozen_clock.advance(seconds=1)
    assert seen.flush() == 1
    assert last_seen() == "2026-01-01T12:01:30+00:00"
    assert seen.flush() == 0


def test_use_that_cannot_be_written_now_is_written_later(frozen_clock, api, ann, kernel):
    seen = parts(kernel).seen
    frozen_clock.advance(minutes=2)
    ann.get("/user")
    api.sql("ALTER TABLE _reactor_auth.sessions RENAME COLUMN last_seen_at TO hidden")
    from reactor_kernel.api import DatabaseFault

    with pytest.raises(DatabaseFault):
        seen.flush()
    api.sql("ALTER TABLE _reactor_auth.sessions RENAME COLUMN hidden TO last_seen_at")
    assert seen.flush() == 1


def test_the_background_service_notes_use(api, ann, live_server):
    """The service writes a last time when it is told to stop."""
    import httpx

    api.sql(
        "UPDATE _reactor_auth.sessions SET last_seen_at = now() - interval '1 hour', created_at = now() - interval '2 hours'"
    )
    with httpx.Client(base_url=live_server.url) as client:
        bearer = {"Authorization": f"Bearer {ann.access_token}"}
        assert client.get("/auth/v1/user", headers=bearer).status_code == 200
    live_server.kernel.drain(5)
    [[late]] = api.sql("SELECT last_seen_at < now() - interval '5 minutes' FROM _reactor_auth.sessions")
    assert late == "f"


def test_a_session_ends_after_its_life_however_much_it_is_used(frozen_clock, auth_config, request):
    auth_config["session_max_secs"] = 5400
    api, kernel = request.getfixturevalue("api"), request.getfixturevalue("kernel")
    ann = api.sign_up("ann@example.com")
    frozen_clock.advance(minutes=50)
    answer = api.refresh(ann.refresh_token).json()
    # The access token ends with the session, not an hour from now.
    assert answer["expires_in"] == 2400
    frozen_clock.advance(minutes=40)
    assert parts(kernel).session_list.end_overdue(NEVER) == 1
    api.refused(api.call("GET", "/user", token=answer["access_token"]), *ENDED, **AGAIN)
    api.refused(api.refresh(answer["refresh_token"]), *ENDED, **AGAIN)
    assert api.sql(
        "SELECT details->>'reason', actor_user_id::text FROM _reactor_auth.audit_events WHERE event_type = 'session.revoked'"
    ) == [["expired", ann.id]]
    other = api.sign_in("ann@example.com")
    assert len(sessions(other)) == 1
    frozen_clock.advance(minutes=90)
    # Nobody swept: the refresh itself finds out.
    assert api.refresh(other.refresh_token).status_code == 401
    assert parts(kernel).session_list.end_overdue(NEVER) == 0


def test_a_session_in_use_never_ends_for_being_idle_and_an_idle_one_does(frozen_clock, auth_config, request):
    auth_config["session_idle_secs"] = 600
    api, kernel = request.getfixturevalue("api"), request.getfixturevalue("kernel")
    auth = parts(kernel)
    ann, idle = api.sign_up("ann@example.com"), api.sign_in("ann@example.com")
    for _ in range(3):
        frozen_clock.advance(seconds=599)
        assert ann.get("/user").status_code == 200
        auth.seen.flush()
        auth.session_list.end_overdue(NEVER)
    api.refused(api.refresh(idle.refresh_token), *ENDED, **AGAIN)
    assert api.refresh(ann.refresh_token).status_code == 200
    assert len(sessions(ann)) == 1
    reasons = api.sql("SELECT details->>'reason' FROM _reactor_auth.audit_events WHERE event_type = 'session.revoked'")
    assert reasons == [["idle"]]


def test_lives_too_short_to_be_kept_are_refused(kernel_factory, auth_config):
    from reactor_auth.plugin import AuthPlugin
    from reactor_kernel.api import BootError

    auth_config.update(session_max_secs=299, session_idle_secs=1)
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": auth_config})
    assert [(fault.subject, fault.message) for fault in stopped.value.faults] == [
        ("auth.session_max_secs", "must be 0 or at least 300"),
        ("auth.session_idle_secs", "must be 0 or at least 300"),
    ]

"""What the log says of a request's caller (contract kernel.md §6.8)."""

from __future__ import annotations

import logging
import time


def lines(caplog, count):
    """Wait for the lines of requests, which another thread writes."""
    for _ in range(250):
        found = [vars(record) for record in caplog.records if record.name == "reactor_kernel.http"]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{count} lines were to come")


def test_a_request_is_logged_with_its_user_and_project(api, kernel, ann, caplog):
    with caplog.at_level(logging.INFO, "reactor_kernel.http"):
        caplog.clear()
        ann.get("/user")
        api.call("GET", "/user")
        api.call("GET", "/keys", token=ann.access_token)
        first, refused, unasked = lines(caplog, 3)[-3:]
    assert (first["user_id"], first["project_ref"]) == (ann.id, kernel.project.ref)
    assert len(kernel.project.ref) == 20
    # Nobody was identified: for want of a credential, and because nobody asked who calls.
    assert ("user_id" in refused, "user_id" in unasked) == (False, False)
    assert refused["status"] == 401
    assert ann.access_token not in str([first, refused, unasked])

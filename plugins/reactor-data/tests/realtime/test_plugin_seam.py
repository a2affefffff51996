"""Another plugin brings changes to its own clients, without a change in data."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest

from reactor_kernel.api import (
    KERNEL_API,
    Change,
    ChangeFeed,
    ChangeStream,
    DbRole,
    Identity,
    IdentityKind,
    InvalidCredential,
    PluginContext,
    PluginInfo,
    ReactorError,
    ServiceProvider,
    hookimpl,
)


class Sockets:
    """What a plugin with an event loop of its own does: it is woken, and then takes what there is."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self.woken: queue.Queue[str] = queue.Queue()

    def join(self, channel: str, identity: Identity, table: str, **options: Any) -> ChangeStream:
        return self._feed.subscribe(identity, table, wake=lambda: self.woken.put(channel), **options)

    def take(self, stream: ChangeStream) -> list[dict[str, Any]]:
        found = []
        while (one := stream.next(0)) is not None:
            found.append(json.loads(one.payload) if isinstance(one, Change) else {"signal": one.name, **one.facts})
        return found


class SocketPlugin:
    info = PluginInfo(
        name="sockets", version="1.0.0", api=KERNEL_API, summary="pushes changes", requires=("auth", "data")
    )
    made: ClassVar[list[Sockets]] = []

    @hookimpl
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        yield ServiceProvider(Sockets, lambda: Sockets(ctx.services.require(ChangeFeed)))


@pytest.fixture
def kernel(boot: Callable[..., Any]) -> Any:
    kernel = boot(SocketPlugin)
    kernel.start_services()
    return kernel


@pytest.fixture
def sockets(kernel: Any) -> Sockets:
    found: Sockets = kernel.service(Sockets)
    return found


def identity_of(person: Any) -> Identity:
    return Identity(
        kind=IdentityKind.USER,
        subject=person.user_id,
        db_role=DbRole.AUTHENTICATED,
        user_id=person.user_id,
        org_id=person.org_id,
    )


def test_a_plugin_is_woken_and_takes_what_its_client_may_see(sockets: Any, ann: Any, bob: Any) -> None:
    mine = sockets.join("ann", identity_of(ann), "notes", events=("INSERT",), filters="n=gt.1", select="title")
    theirs = sockets.join("bob", identity_of(bob), "notes")
    ann.call("POST", "notes", [{"title": "a", "n": 1}, {"title": "b", "n": 2}])
    assert sockets.woken.get(timeout=10) == "ann"
    assert [one["new"] for one in sockets.take(mine)] == [{"title": "b"}]
    assert sockets.take(theirs) == []
    cursor = mine.cursor
    mine.close()
    assert mine.ended
    ann.call("POST", "notes", {"title": "c", "n": 3})
    again = sockets.join("ann", identity_of(ann), "notes", events=("INSERT",), filters="n=gt.1", after_seq=cursor)
    missed: list[Any] = []
    while not missed:
        missed += sockets.take(again)
    assert [one["new"]["title"] for one in missed] == ["c"]
    again.close()
    theirs.close()


def test_a_stream_goes_on_with_a_new_token_and_ends_with_a_bad_one(sockets: Any, ann: Any, bob: Any) -> None:
    stream = sockets.join("x", identity_of(ann), "notes")
    stream.identify(identity_of(bob))
    bob.call("POST", "notes", {"title": "bob's"})
    assert sockets.woken.get(timeout=10) == "x"
    assert [one["new"]["title"] for one in sockets.take(stream)] == ["bob's"]

    def gone() -> Identity:
        raise InvalidCredential("signed out", code="invalid_token")

    stream.identify(identity_of(bob), gone)
    bob.call("POST", "notes", {"title": "unseen"})
    assert sockets.woken.get(timeout=10) == "x"
    assert sockets.take(stream) == [{"signal": "token_expired", "code": "invalid_token", "message": "signed out"}]
    assert stream.ended


def test_what_cannot_be_subscribed_to_is_an_error_of_the_platform(sockets: Any, ann: Any) -> None:
    with pytest.raises(ReactorError) as refused:
        sockets.join("x", identity_of(ann), "nothing")
    assert (refused.value.status, refused.value.error_code) == (404, "table_not_found")


def test_a_fault_of_one_plugin_ends_its_own_stream_only(sockets: Any, ann: Any, caplog: Any) -> None:
    def broken() -> Identity:
        raise RuntimeError("a bug")

    bad = sockets.join("bad", identity_of(ann), "notes", recheck=broken)
    good = sockets.join("good", identity_of(ann), "notes")
    deaf = sockets._feed.subscribe(identity_of(ann), "notes", wake=lambda: 1 / 0)
    ann.call("POST", "notes", {"title": "seen"})
    assert sorted(sockets.woken.get(timeout=10) for _ in range(2)) == ["bad", "good"]
    assert [one["new"]["title"] for one in sockets.take(good)] == ["seen"]
    unwoken = deaf.next(10)
    assert isinstance(unwoken, Change)
    assert json.loads(unwoken.payload)["new"]["title"] == "seen"
    assert sockets.take(bad) == [
        {"signal": "error", "code": "internal_error", "message": "the identity could not be checked"}
    ]
    # What the first change made known is in the log when a second one has come.
    ann.call("POST", "notes", {"title": "later"})
    assert sockets.woken.get(timeout=10) == "good"
    assert "an identity could not be checked; its stream ends" in caplog.text
    assert "a subscriber could not be woken" in caplog.text

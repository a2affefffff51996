"""The clock, the fakes and the configuration that tests get."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.api import KERNEL_API, Access, Mount, OpenApiFragment, PluginInfo, hookimpl
from reactor_kernel.contracts import Clock
from reactor_kernel.testing import FrozenClock, Member, TrustingAuth, fake_service, toml_text

_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")),
)
_TABLES = st.recursive(
    st.dictionaries(st.text('ab_-é." ', min_size=1), st.one_of(_SCALARS, st.lists(_SCALARS)), max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1), st.one_of(inner, _SCALARS), max_size=3),
    max_leaves=6,
)


@given(_TABLES)
def test_written_toml_reads_back_as_it_was(table: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(table)) == table


def test_the_clock_stands_until_it_is_moved() -> None:
    clock: Clock = FrozenClock(datetime(2026, 5, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 5, 1, tzinfo=UTC)
    assert isinstance(clock, FrozenClock)
    before = clock.monotonic()
    clock.advance(minutes=5)
    assert clock.now() == datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
    assert clock.monotonic() - before == 300
    clock.set(datetime(2026, 4, 1, tzinfo=UTC))
    assert clock.monotonic() - before == 300, "monotonic time never goes back"


def test_the_clock_refuses_what_no_clock_does() -> None:
    clock = FrozenClock()
    with pytest.raises(ValueError, match=r"^a clock cannot be advanced backwards; use set\(\)$"):
        clock.advance(seconds=-1)
    with pytest.raises(ValueError, match=r"^the instant needs a time zone; use datetime\(\.\.\., tzinfo=UTC\)$"):
        clock.set(datetime(2026, 1, 1))
    assert clock.now() - FrozenClock().now() == timedelta()


def test_a_fake_must_have_every_method_of_its_contract() -> None:
    class HalfAClock:
        def now(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(TypeError, match=r"^HalfAClock lacks monotonic of Clock$"):
        fake_service(Clock, HalfAClock())


def test_a_member_is_believed_and_may_do_what_it_says(kernel_factory: Any) -> None:
    class Asked:
        info = PluginInfo(name="asked", version="1.0.0", api=KERNEL_API, summary="says who asks", prefix="/asked/v1")

        @hookimpl
        def reactor_resources(self) -> Iterable[Mount]:
            yield Mount("/asked/v1/{thing}", Thing(), access=Access.USER)

        @hookimpl
        def reactor_openapi(self) -> Iterable[OpenApiFragment]:
            parameter = {"name": "thing", "in": "path", "required": True, "schema": {"type": "string"}}
            asked = {"parameters": [parameter], "post": {"responses": {"200": {"description": "who asks"}}}}
            yield OpenApiFragment({"paths": {"/asked/v1/{thing}": asked}})

    class Thing:
        def on_post(self, req: falcon.Request, resp: falcon.Response, thing: str) -> None:
            req.context.require(f"asked:{thing}")
            resp.media = {"user": req.context.identity.user_id, "org": req.context.identity.org_id, "body": req.media}

    kernel = kernel_factory(TrustingAuth.named("identity"), Asked)
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
        ann = Member(client, "/asked/v1", permissions=["asked:this"])
        answer = ann.call("POST", "this", body={"a": 1})
        assert answer.json() == {"user": ann.user_id, "org": ann.org_id, "body": {"a": 1}}
        assert ann.call("POST", "that", body={}).status_code == 403
        assert client.post("/asked/v1/this", json={}).status_code == 401
        broken = client.post("/asked/v1/this", json={}, headers={"Authorization": "Bearer {broken"})
        assert (broken.status_code, broken.json()["error"]["code"]) == (401, "invalid_token")

"""The clock, the fakes and the configuration that tests get."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.contracts import Clock
from reactor_kernel.testing import FrozenClock, fake_service, toml_text

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

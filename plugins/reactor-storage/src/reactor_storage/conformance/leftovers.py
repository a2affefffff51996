"""What goes and what stays: removal, discarding, sweeping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reactor_storage.backends.contract import Backend
from reactor_storage.conformance.subject import (
    MakeBackend,
    Subject,
    content_of,
    everything,
    is_missing,
    kept,
    staged,
)

_LATER, _EARLIER = timedelta(days=1), timedelta(days=-1)


class LeftoverChecks(Subject):
    """Nothing is lost, and nothing stays that nobody can find."""

    def test_a_removed_content_is_gone_and_removing_it_again_is_no_error(self, backend: Backend) -> None:
        locator, other = kept(backend, b"one"), kept(backend, b"other")
        backend.remove(locator)
        backend.remove(locator)
        assert is_missing(backend, locator)
        assert everything(backend) == {other}

    def test_a_content_comes_back_after_its_removal(self, backend: Backend) -> None:
        backend.remove(kept(backend, b"again"))
        assert content_of(backend, kept(backend, b"again")) == b"again"

    def test_a_discarded_content_leaves_nothing(self, backend: Backend) -> None:
        found = staged(backend, b"not wanted")
        backend.discard(found)
        backend.discard(found)
        assert is_missing(backend, found.locator)
        assert everything(backend) == set()

    def test_discarding_does_not_touch_what_was_kept(self, backend: Backend) -> None:
        found = staged(backend, b"kept")
        backend.keep(found)
        # A transaction whose end nobody learned of may have succeeded.
        backend.discard(found)
        assert content_of(backend, found.locator) == b"kept"

    def test_discarding_does_not_touch_an_equal_content(self, backend: Backend) -> None:
        locator = kept(backend, b"equal")
        backend.discard(staged(backend, b"equal"))
        assert content_of(backend, locator) == b"equal"

    def test_what_is_kept_is_listed_by_its_age(self, backend: Backend, make_backend: MakeBackend) -> None:
        locators = {kept(backend, content) for content in (b"one", b"two", b"three")}
        now = datetime.now(UTC)
        assert set(make_backend().kept(before=now + _LATER)) == locators
        assert set(backend.kept(before=now + _EARLIER)) == set()

    def test_sweeping_leaves_what_is_kept(self, backend: Backend) -> None:
        locator = kept(backend, b"kept")
        backend.sweep_staged(before=datetime.now(UTC) + _LATER)
        assert content_of(backend, locator) == b"kept"

    def test_sweeping_leaves_what_is_young(self, backend: Backend) -> None:
        found = staged(backend, b"in the middle of an upload")
        assert backend.count_staged(before=datetime.now(UTC) + _EARLIER) == 0
        assert backend.sweep_staged(before=datetime.now(UTC) + _EARLIER) == 0
        backend.keep(found)
        assert content_of(backend, found.locator) == b"in the middle of an upload"

    def test_what_a_dead_process_staged_is_found_by_another(self, backend: Backend, make_backend: MakeBackend) -> None:
        found = staged(backend, b"orphan")
        after = make_backend()
        counted = after.count_staged(before=datetime.now(UTC) + _LATER)
        swept = after.sweep_staged(before=datetime.now(UTC) + _LATER)
        assert counted == swept, "`count_staged` is not what `sweep_staged` drops"
        assert after.count_staged(before=datetime.now(UTC) + _LATER) == 0
        listed = everything(after)
        assert (swept, listed) in ((1, set()), (0, {found.locator})), "neither swept nor listed by `kept`"
        for locator in listed:
            after.remove(locator)
        assert is_missing(after, found.locator)
        assert everything(after) == set()

    def test_the_check_passes_and_leaves_nothing(self, backend: Backend) -> None:
        locator = kept(backend, b"there before")
        backend.check()
        assert everything(backend) == {locator}
        assert backend.sweep_staged(before=datetime.now(UTC) + _LATER) == 0

    def test_it_has_a_name(self, backend: Backend) -> None:
        assert backend.name.isidentifier()

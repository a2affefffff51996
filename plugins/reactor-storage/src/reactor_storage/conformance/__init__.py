"""The tests every backend for contents should pass: inherit from `BackendConformance` and give it a fixture `make_backend`."""

import pytest

pytest.register_assert_rewrite(
    "reactor_storage.conformance.subject",
    "reactor_storage.conformance.contents",
    "reactor_storage.conformance.leftovers",
    "reactor_storage.conformance.together",
)

from reactor_storage.conformance.suite import BackendConformance  # noqa: E402 - its asserts are to be rewritten

__all__ = ["BackendConformance"]

"""The suite: one class with every check."""

from __future__ import annotations

from reactor_storage.conformance.contents import ContentChecks
from reactor_storage.conformance.leftovers import LeftoverChecks
from reactor_storage.conformance.together import TogetherChecks


class BackendConformance(ContentChecks, LeftoverChecks, TogetherChecks):
    """What `backends.contract.Backend` promises.

    Needs a fixture `make_backend`, a function without arguments: each call returns a new backend over the same, at first empty
    place, as another process of the same deployment would make it.
    """

"""An expired token is `token_expired`, cached or not, in process and over HTTP."""

from __future__ import annotations

import pytest

from reactor_kernel.api import InvalidCredential


def test_expired(frozen_clock, auth, ann):
    auth.resolve(ann.access_token)
    for moment, later in (("cached", 3600 + 29), ("over", 2)):
        frozen_clock.advance(seconds=later)
        for call in (auth.resolve, auth.verify_token):
            if moment == "cached":
                call(ann.access_token)
                continue
            with pytest.raises(InvalidCredential) as caught:
                call(ann.access_token)
            assert caught.value.error_code == "token_expired"

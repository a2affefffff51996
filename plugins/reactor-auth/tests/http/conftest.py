"""Second factors are presented by authenticators that tests of other folders use too."""

from __future__ import annotations

import sys
from pathlib import Path

# The fakes are no package of ours to install; scenario tests reach them the same way.
sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.second_factors import authenticator, begin_app, enrol, make_authenticator, prove, register

__all__ = ["authenticator", "begin_app", "enrol", "make_authenticator", "prove", "register"]

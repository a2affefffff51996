"""What a Falcon request says, as the service takes it."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

import msgspec

from reactor_data.config import DataConfig
from reactor_data.errors import permission_missing
from reactor_data.preferences import Preferences
from reactor_data.running import Caller, Timing
from reactor_data.callers import CallerRoles
from reactor_kernel.api import DbRole, Identity

if TYPE_CHECKING:
    import falcon

# Credentials never reach SQL, where a function could store them.
_SECRET_HEADERS = frozenset(("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_PROXY_AUTHORIZATION"))
_encode = msgspec.json.Encoder(enc_hook=str).encode
# Keys recur; environ's spelling -> the header's, None for what is no header or must not be seen.
_NAMES: dict[str, str | None] = {}
_MAX_NAMES = 512

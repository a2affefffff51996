"""`/storage/v1/render/image/…`: objects as pictures of another size or format (decision 31)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest, InvalidTransform
from reactor_storage.grants import Grants
from reactor_storage.http.answers import answer_object
from reactor_storage.http.callers import caller_of
from reactor_storage.images.renditions import Renditions
from reactor_storage.images.transform import Transform
from reactor_storage.keys import object_key
from reactor_storage.model import StoredObject
from reactor_storage.reading import Reader

if TYPE_CHECKING:
    import falcon

_ASKED = ("width", "height", "resize", "quality", "format")
# How names of the formats end; the first is given to a name that ends otherwise.
_ENDINGS = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/avif": (".avif",),
}
_KNOWN = tuple(ending for endings in _ENDINGS.values() for ending in endings)


class RenderResource:
    """A picture of a public bucket, or of any with a credential; what is made of it says the query."""

    def __init__(self, buckets: Buckets, reader: Reader, renditions: Renditions, *, public: bool) -> None:
        self._buckets = buckets
        self._reader = reader
        self._renditions = renditions
        self._public = public

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer the picture."""
        caller, transform = caller_of(req), _asked(req)

        def find() -> StoredObject:
            if self._public:
                return self._reader.content_of(caller, self._buckets.find_public(caller, bucket), object_key(key))
            return self._reader.find(caller, bucket, key)

        transform = _settled(req, resp, transform)
        answer_object(req, resp, self._reader, caller, _found(self._renditions, find, transform))

    on_head = on_get


class SignedRenderResource:
    """A picture for whoever holds the token; what is made of it was signed with the token, and no query changes it."""

    def __init__(self, grants: Grants, reader: Reader, renditions: Renditions) -> None:
        self._grants = grants
        self._reader = reader
        self._renditions = renditions

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer the picture."""
        token = req.get_param("token")
        if not token:
            raise InvalidStorageRequest("the URL has no token")
        caller, grant, spending = self._grants.taken_by_token("GET", bucket, key, token, req.context.request_id)
        if not grant.transform:
            raise InvalidStorageRequest(
                "this URL is for the object as it is", hint="Use it on /object/sign, or sign one with transform."
            )
        transform = _settled(req, resp, Transform.of_text(grant.transform))

        def find() -> StoredObject:
            return self._reader.find(caller, grant.bucket, grant.key)

        if spending and req.method == "GET":
            # Made first: a URL that works once is not used up by a picture that cannot be made at this moment.
            self._renditions.of(find, transform)
            self._grants.spend(spending)
        answer_object(req, resp, self._reader, caller, _found(self._renditions, find, transform))

    on_head = on_get


def _asked(req: falcon.Request) -> Transform:
    members: dict[str, object] = {}
    for name in _ASKED:
        value: str | Iterable[str] | None = req.params.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidTransform(f"{name} is given more than once")
        members[name] = value
    return Transform.of(members)


def _settled(req: falcon.Request, resp: falcon.Response, transform: Transform) -> Transform:
    """Choose the format for this client, and tell caches that it was chosen."""
    if transform.format == "auto":
        resp.append_header("Vary", "Accept")
    return transform.settled(req.get_header("Accept"))


def _found(
    renditions: Renditions, find: Callable[[], StoredObject], transform: Transform
) -> Callable[[], StoredObject]:
    """Return what finds the rendition, for `answer_object`, which asks again when it could not open what it was given."""
    given: list[str] = []

    def found() -> StoredObject:
        rendition = renditions.of(find, transform, lost=given[-1] if given else None)
        given.append(rendition.locator)
        return _named(rendition)

    return found


def _named(rendition: StoredObject) -> StoredObject:
    """Let its name end as its format does, for whoever saves it."""
    endings = _ENDINGS[rendition.content_type or ""]
    if rendition.key.lower().endswith(endings):
        return rendition
    stem, dot, ending = rendition.key.rpartition(".")
    name = stem if f"{dot}{ending}".lower() in _KNOWN else rendition.key
    return msgspec.structs.replace(rendition, key=name + endings[0])

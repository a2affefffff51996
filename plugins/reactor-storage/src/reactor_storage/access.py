"""Who calls, in which organisation, and what its permissions say of a bucket (contract storage.md §1, decisions 29 and 38)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reactor_kernel.api import ANONYMOUS, DbRole, Identity, IdentityKind, PermissionDenied, Unauthenticated
from reactor_storage.errors import OrgRequired
from reactor_storage.model import Bucket

_BEARER = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        identity: the verified caller.
        request_id: for the audit.
        require: asks the platform whether the caller holds a permission; raises PermissionDenied.
        named_org: the organisation's id that a caller without a credential names.
        vouched: what the caller does was permitted before, by who signed a URL: neither permissions nor policies are asked.
    """

    identity: Identity
    request_id: str
    require: Callable[[str], None]
    named_org: str | None = None
    vouched: bool = False

    @property
    def anonymous(self) -> bool:
        """Tell whether no credential was sent."""
        return self.identity.kind is IdentityKind.ANONYMOUS

    @property
    def org_id(self) -> str:
        """The active organisation. Raises 401 without a credential, 400 `org_required` without an organisation."""
        if self.vouched and self.named_org is not None:
            return self.named_org
        if self.anonymous:
            raise Unauthenticated(headers=_BEARER)
        if self.identity.org_id is None:
            raise OrgRequired
        return self.identity.org_id

    @property
    def acting(self) -> Identity | None:
        """As whom rows are changed and read; None = as their owner, whom policies do not concern."""
        return None if self.vouched else self.identity

    @property
    def policed(self) -> bool:
        """Tell whether the project's policies concern what the caller does."""
        return not self.vouched and self.identity.db_role is not DbRole.SERVICE

    def demand(self, bucket: str, *verbs: str) -> None:
        """Raise PermissionDenied unless the caller holds `storage:{bucket}:{verb}` for one of the verbs."""
        if self.vouched:
            return
        if self.anonymous:
            raise Unauthenticated(headers=_BEARER)
        for verb in verbs[:-1]:
            try:
                self.require(f"storage:{bucket}:{verb}")
            except PermissionDenied:
                continue
            return
        self.require(f"storage:{bucket}:{verbs[-1]}")

    def demand_reading(self, bucket: Bucket) -> None:
        """Raise unless the caller may read the bucket's objects; anyone may where it is public."""
        if not bucket.public:
            self.demand(bucket.name, "read")


def on_behalf_of(org_id: str, request_id: str, signer: str | None = None) -> Caller:
    """Return the caller that a signed URL stands for: who signed it, as far as was checked then, in one organisation."""
    identity = ANONYMOUS if signer is None else replace(ANONYMOUS, user_id=signer)
    return Caller(identity, request_id, _refuse, org_id, vouched=True)


def holding(identity: Identity) -> Callable[[str], None]:
    """Return what raises PermissionDenied for a permission that an identity does not hold, for one that is not the request's own."""

    def require(permission: str) -> None:
        if not identity.may(permission):
            _refuse(permission)

    return require


def _refuse(permission: str) -> None:
    raise PermissionDenied(f"this needs the permission {permission}", details={"permission": permission})

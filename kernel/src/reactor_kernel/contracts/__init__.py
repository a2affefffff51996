"""Protocols and value types shared by plugins; no behaviour of a capability lives here.

A contract is what one plugin implements and others call. Ask for one with `ctx.services.require(AuthClient)`.
"""

from reactor_kernel.contracts.auth import AuthClient, Claims, OrgRef, UserRecord
from reactor_kernel.contracts.blobs import BlobFacts, BlobStore
from reactor_kernel.contracts.changes import CHANGE_EVENTS, Change, ChangeFeed, ChangeSignal, ChangeStream
from reactor_kernel.contracts.commands import (
    CommandContext,
    CommandFailure,
    Credential,
    CredentialKind,
    Server,
    SignInSession,
)
from reactor_kernel.contracts.db import Database, Isolation, RawResult, Statement, Tx
from reactor_kernel.contracts.identity import ANONYMOUS, DbRole, Identity, IdentityKind
from reactor_kernel.contracts.operators import Operators
from reactor_kernel.contracts.permissions import grants, permission_matches
from reactor_kernel.contracts.runtime import (
    Clock,
    EventLog,
    Hooks,
    Leader,
    MetricsRegistry,
    Project,
    Services,
    StopSignal,
    Vault,
)

__all__ = [
    "ANONYMOUS",
    "CHANGE_EVENTS",
    "AuthClient",
    "BlobFacts",
    "BlobStore",
    "Change",
    "ChangeFeed",
    "ChangeSignal",
    "ChangeStream",
    "Claims",
    "Clock",
    "CommandContext",
    "CommandFailure",
    "Credential",
    "CredentialKind",
    "Database",
    "DbRole",
    "EventLog",
    "Hooks",
    "Identity",
    "IdentityKind",
    "Isolation",
    "Leader",
    "MetricsRegistry",
    "Operators",
    "OrgRef",
    "Project",
    "RawResult",
    "Server",
    "Services",
    "SignInSession",
    "Statement",
    "StopSignal",
    "Tx",
    "UserRecord",
    "Vault",
    "grants",
    "permission_matches",
]

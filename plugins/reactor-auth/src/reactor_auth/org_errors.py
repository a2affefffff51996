"""The errors of roles, invitations and API keys (contract auth.md §5)."""

from __future__ import annotations

from reactor_kernel.api import Conflict, Forbidden, NotFound


class SystemRoleFixed(Forbidden):
    """The roles owner, admin and member can be neither changed nor deleted."""

    code = "system_role"
    hint = "Make a role of your own: POST /auth/v1/orgs/{ref}/roles."


class InvitationEmailMismatch(Forbidden):
    """The invitation was sent to another e-mail address."""

    code = "invitation_email_mismatch"


class InvitationNotFound(NotFound):
    """There is no such invitation, or it has expired."""

    code = "invitation_not_found"


class ApiKeyNotFound(NotFound):
    """There is no such API key."""

    code = "api_key_not_found"


class RoleExists(Conflict):
    """A role with this name exists already in the organisation."""

    code = "role_exists"


class RoleInUse(Conflict):
    """The role is in use."""

    code = "role_in_use"
    hint = "Give its members another role and withdraw its invitations first."


class MembershipExists(Conflict):
    """This person is a member of the organisation already."""

    code = "membership_exists"


class InvitationUsed(Conflict):
    """The invitation has been accepted already."""

    code = "invitation_used"

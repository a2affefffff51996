DROP FUNCTION auth.has_permission(text), auth.is_authenticated(), auth.session_id(), auth.email(), auth.in_org(uuid),
    auth.db_role(), auth.role(), auth.current_org_id(), auth.current_user_id(), auth.uid(), auth.org_id(), auth.user_id(),
    auth.jwt();

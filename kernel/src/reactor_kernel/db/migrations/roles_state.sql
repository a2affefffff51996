SELECT coalesce(bool_and(
    role.oid IS NOT NULL
    AND pg_has_role(session_user, role.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    AND has_schema_privilege(role.oid, to_regnamespace('auth'), 'USAGE')
), false)
FROM (VALUES ($1::text), ($2::text), ($3::text)) AS wanted(name)
LEFT JOIN pg_catalog.pg_roles role ON role.rolname = wanted.name

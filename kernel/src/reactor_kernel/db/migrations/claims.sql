-- What SQL knows of the caller. Written by PostgresDatabase into request.jwt.claims, transaction-local.
-- On a pooled connection an unset setting reads back as '', never NULL: hence NULLIF everywhere.
-- Bodies are RETURN expressions: bound when they are created, so no search_path can change their meaning, and inlined.
-- Policies call them as (SELECT auth.org_id()): evaluated once per statement instead of once per row.

CREATE SCHEMA IF NOT EXISTS auth;

CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb, '{}'::jsonb);
COMMENT ON FUNCTION auth.jwt() IS 'All claims of the caller; an empty object outside of a request';

CREATE OR REPLACE FUNCTION auth.user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'user_id', '')::uuid;
COMMENT ON FUNCTION auth.user_id() IS 'The calling user; null for anonymous callers and services';

CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN auth.user_id();
COMMENT ON FUNCTION auth.uid() IS 'Same as auth.user_id()';

CREATE OR REPLACE FUNCTION auth.current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN auth.user_id();
COMMENT ON FUNCTION auth.current_user_id() IS 'Same as auth.user_id()';

CREATE OR REPLACE FUNCTION auth.org_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'org_id', '')::uuid;
COMMENT ON FUNCTION auth.org_id() IS 'The active organisation; null where there is none';

CREATE OR REPLACE FUNCTION auth.current_org_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN auth.org_id();
COMMENT ON FUNCTION auth.current_org_id() IS 'Same as auth.org_id()';

CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'org_role';
COMMENT ON FUNCTION auth.role() IS 'The name of the caller''s role in the active organisation';

CREATE OR REPLACE FUNCTION auth.db_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role';
COMMENT ON FUNCTION auth.db_role() IS 'The database role the request runs as';

CREATE OR REPLACE FUNCTION auth.in_org(org uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN org = auth.org_id();
COMMENT ON FUNCTION auth.in_org(uuid) IS 'Whether this is the active organisation';

CREATE OR REPLACE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email';
COMMENT ON FUNCTION auth.email() IS 'The caller''s e-mail address, where the token carries it';

CREATE OR REPLACE FUNCTION auth.session_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id', '')::uuid;
COMMENT ON FUNCTION auth.session_id() IS 'The caller''s session';

CREATE OR REPLACE FUNCTION auth.is_authenticated() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'token_type' <> 'anon', false);
COMMENT ON FUNCTION auth.is_authenticated() IS 'Whether the caller presented a valid credential';

-- The matcher of kernel.md §7.3, the same as reactor_kernel.contracts.permissions: equal strings and '*' always match; '*' in the
-- middle is one segment, as the last segment one or more.
CREATE OR REPLACE FUNCTION auth.has_permission(wanted text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    granted jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'permissions';
    want text[];
    have text[];
    segments int;
    candidate text;
    matches boolean;
BEGIN
    IF granted IS NULL OR jsonb_typeof(granted) <> 'array' OR wanted IS NULL THEN
        RETURN false;
    END IF;
    IF granted ? wanted OR granted ? '*' THEN
        RETURN true;
    END IF;
    want := string_to_array(wanted, ':');
    FOR candidate IN SELECT value FROM jsonb_array_elements_text(granted) WHERE strpos(value, '*') > 0 LOOP
        have := string_to_array(candidate, ':');
        segments := cardinality(have);
        CONTINUE WHEN segments > cardinality(want)
                   OR (segments < cardinality(want) AND have[segments] <> '*');
        matches := true;
        FOR at IN 1 .. segments LOOP
            IF have[at] <> '*' AND have[at] <> want[at] THEN
                matches := false;
                EXIT;
            END IF;
        END LOOP;
        IF matches THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
COMMENT ON FUNCTION auth.has_permission(text) IS 'Whether the caller holds the permission in the active organisation';

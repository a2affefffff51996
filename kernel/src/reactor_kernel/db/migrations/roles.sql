-- Makes the three roles, lets the login become each, and lets each call the claim helpers. Run whenever something of it is
-- missing, because roles belong to the cluster and not to the database: a restored database may lack them.
-- Their names come in as settings. Two nodes, or two databases of one cluster, may do this at once.
DO $$
DECLARE
    service constant text := current_setting('reactor.service_role');
    modern constant boolean := current_setting('server_version_num')::int >= 160000;
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[current_setting('reactor.anon_role'), current_setting('reactor.authenticated_role'), service] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
                IF name = service THEN
                    BEGIN
                        EXECUTE format('ALTER ROLE %I BYPASSRLS', name);
                    EXCEPTION WHEN insufficient_privilege THEN
                        RAISE NOTICE 'BYPASSRLS cannot be granted here: service access runs as the owner of the tables';
                    END;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this cluster was faster
            END;
        END IF;
        IF NOT pg_has_role(session_user, name, CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT %I TO %I', name, session_user) || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA auth TO %I', name);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA auth TO %I', name);
    END LOOP;
END
$$;

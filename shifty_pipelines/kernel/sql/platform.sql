-- The cross-tenant corner: schema platform. Run by a superuser (or, without one, by a role that may create roles; the
-- event trigger is then skipped). Repeatable: every statement may run again on a database that has it already.
-- No login role has a grant on a table here; the functions below are the only doors, and tests compare them with pg_proc.

DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['shifty_owner', 'shifty_platform'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
    END IF;
  END LOOP;
  FOREACH wanted IN ARRAY ARRAY['shifty_app', 'shifty_worker', 'shifty_dbt', 'shifty_dagster'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
    END IF;
  END LOOP;
END $$;

CREATE EXTENSION IF NOT EXISTS vector;

CREATE SCHEMA IF NOT EXISTS platform AUTHORIZATION shifty_platform;
REVOKE ALL ON SCHEMA platform FROM PUBLIC;
GRANT USAGE ON SCHEMA platform TO shifty_owner, shifty_app, shifty_worker, shifty_dbt;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO shifty_owner;
GRANT USAGE ON SCHEMA public TO shifty_app, shifty_dbt;
-- What dbt builds. Its tables and views are its own; the schema is the owner's, so that a migration may drop a view that
-- stands in its way. dbt grants what the application may read, table by table.
CREATE SCHEMA IF NOT EXISTS marts AUTHORIZATION shifty_owner;
REVOKE ALL ON SCHEMA marts FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA marts TO shifty_dbt;
GRANT USAGE ON SCHEMA marts TO shifty_app;

SET ROLE shifty_platform;

CREATE TABLE IF NOT EXISTS platform.installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  installation_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS platform.tenants (
  id uuid PRIMARY KEY,
  slug text NOT NULL,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended', 'deleted', 'system')),
  created_at timestamptz NOT NULL DEFAULT now()
);
-- A deleted tenant frees its slug and keeps its row: evidence outlives the customer.
CREATE UNIQUE INDEX IF NOT EXISTS tenants_slug_in_use ON platform.tenants (slug) WHERE status <> 'deleted';
CREATE TABLE IF NOT EXISTS platform.login_identities (
  email text PRIMARY KEY CHECK (email = lower(email)),
  tenant_id uuid NOT NULL REFERENCES platform.tenants,
  user_id uuid NOT NULL,
  UNIQUE (tenant_id, user_id)
);
-- Which tenant a secret belongs to, by its SHA-256: asked before any tenant is known. The secrets themselves are nowhere.
CREATE TABLE IF NOT EXISTS platform.api_key_index (
  key_hash bytea PRIMARY KEY CHECK (octet_length(key_hash) = 32),
  tenant_id uuid NOT NULL REFERENCES platform.tenants
);
CREATE TABLE IF NOT EXISTS platform.refresh_index (
  token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
  tenant_id uuid NOT NULL REFERENCES platform.tenants
);
CREATE TABLE IF NOT EXISTS platform.outbox_queue (
  work_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES platform.tenants,
  available_at timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz,
  claims integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS outbox_queue_due ON platform.outbox_queue (available_at);
CREATE TABLE IF NOT EXISTS platform.training_queue (LIKE platform.outbox_queue INCLUDING ALL);
CREATE TABLE IF NOT EXISTS platform.webhook_queue (LIKE platform.outbox_queue INCLUDING ALL);
REVOKE ALL ON ALL TABLES IN SCHEMA platform FROM PUBLIC;
GRANT REFERENCES ON platform.tenants TO shifty_owner;

INSERT INTO platform.tenants (id, slug, status)
VALUES ('00000000-0000-0000-0000-000000000000', 'system', 'system') ON CONFLICT DO NOTHING;

-- Which tenant this transaction belongs to. After a transaction with SET LOCAL the setting is '' and not NULL, hence
-- NULLIF; STABLE, so that it is inlined and the tenant index is used.
CREATE OR REPLACE FUNCTION platform.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid $$;

-- Forcing and both policies are one step: a forced table without policies lets every check pass on zero rows.
CREATE OR REPLACE FUNCTION platform.isolate_table(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = target AND polname = 'tenant_isolation') THEN
    EXECUTE format('CREATE POLICY tenant_isolation ON %s AS RESTRICTIVE FOR ALL'
      ' USING (tenant_id = platform.current_tenant()) WITH CHECK (tenant_id = platform.current_tenant())', target);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = target AND polname = 'tenant_rows') THEN
    EXECUTE format('CREATE POLICY tenant_rows ON %s AS PERMISSIVE FOR ALL USING (true) WITH CHECK (true)', target);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION platform.isolate_new_tables() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE made record;
BEGIN
  FOR made IN
    SELECT c.oid::regclass AS target
    FROM pg_event_trigger_ddl_commands() d
    JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
    WHERE c.relkind IN ('r', 'p')
      AND c.relpersistence <> 't'  -- dbt's incremental step inserts through a temporary table
      AND c.relnamespace <> 'platform'::regnamespace
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
  LOOP
    PERFORM platform.isolate_table(made.target);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION platform.find_login(p_email text) RETURNS TABLE (tenant_id uuid, user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT i.tenant_id, i.user_id
  FROM platform.login_identities i JOIN platform.tenants t ON t.id = i.tenant_id
  WHERE i.email = lower(p_email) AND t.status = 'active'
$$;

CREATE OR REPLACE FUNCTION platform.find_api_key(p_key_hash bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.id FROM platform.api_key_index i JOIN platform.tenants t ON t.id = i.tenant_id
  WHERE i.key_hash = p_key_hash AND t.status = 'active'
$$;

CREATE OR REPLACE FUNCTION platform.find_refresh(p_token_hash bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.id FROM platform.refresh_index i JOIN platform.tenants t ON t.id = i.tenant_id
  WHERE i.token_hash = p_token_hash AND t.status = 'active'
$$;

-- Inserts the directory row of a new tenant. With p_must_be_first the call is refused (false) once any tenant exists:
-- two first registrations at once give one tenant.
CREATE OR REPLACE FUNCTION platform.create_tenant(p_tenant_id uuid, p_slug text, p_must_be_first boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_must_be_first THEN
    PERFORM pg_advisory_xact_lock(7237642);
    IF EXISTS (SELECT FROM platform.tenants WHERE status <> 'system') THEN
      RETURN false;
    END IF;
  END IF;
  INSERT INTO platform.tenants (id, slug) VALUES (p_tenant_id, p_slug);
  RETURN true;
END $$;

-- The tenant comes from the transaction's setting, never from an argument. An id that is queued already is due at once, and
-- whoever holds it has seen what was before: with the lease gone, their settling no longer takes it off the queue.
CREATE OR REPLACE FUNCTION platform.enqueue(p_queue text, p_work_id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE tenant uuid := platform.current_tenant();
BEGIN
  IF tenant IS NULL THEN
    RAISE EXCEPTION 'enqueue needs a tenant in app.tenant_id' USING ERRCODE = 'insufficient_privilege';
  ELSIF p_queue = 'outbox' THEN
    INSERT INTO platform.outbox_queue AS queued (work_id, tenant_id) VALUES (p_work_id, tenant)
    ON CONFLICT (work_id) DO UPDATE SET available_at = now(), lease_until = NULL WHERE queued.tenant_id = tenant;
  ELSIF p_queue = 'training' THEN
    INSERT INTO platform.training_queue AS queued (work_id, tenant_id) VALUES (p_work_id, tenant)
    ON CONFLICT (work_id) DO UPDATE SET available_at = now(), lease_until = NULL WHERE queued.tenant_id = tenant;
  ELSIF p_queue = 'webhook' THEN
    INSERT INTO platform.webhook_queue AS queued (work_id, tenant_id) VALUES (p_work_id, tenant)
    ON CONFLICT (work_id) DO UPDATE SET available_at = now(), lease_until = NULL WHERE queued.tenant_id = tenant;
  ELSE
    RAISE EXCEPTION 'no queue named %', p_queue USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_notify('shifty_work', p_queue);
END $$;

-- One call settles the last batch and claims the next: finished ids leave the queue, deferred ids wait their seconds, and
-- up to p_limit due ids are leased. An id whose holder died is due again when its lease ends; one that was queued anew while
-- it was held has lost its lease and stays as it is.
CREATE OR REPLACE FUNCTION platform.claim_work(
  p_queue text, p_finished uuid[], p_deferred uuid[], p_deferred_s double precision[], p_limit integer, p_lease_s integer
) RETURNS TABLE (tenant_id uuid, work_id uuid, claims integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE queue regclass;
BEGIN
  IF p_queue NOT IN ('outbox', 'training') THEN
    RAISE EXCEPTION 'no queue named %', p_queue USING ERRCODE = 'invalid_parameter_value';
  END IF;
  queue := format('platform.%I', p_queue || '_queue')::regclass;
  EXECUTE format('DELETE FROM %s WHERE work_id = ANY ($1) AND lease_until IS NOT NULL', queue) USING p_finished;
  EXECUTE format('UPDATE %s q SET lease_until = NULL, available_at = clock_timestamp() + make_interval(secs => d.delay_s)'
    ' FROM unnest($1, $2) AS d(work_id, delay_s)'
    ' WHERE q.work_id = d.work_id AND q.lease_until IS NOT NULL', queue) USING p_deferred, p_deferred_s;
  RETURN QUERY EXECUTE format(
    'UPDATE %1$s q SET lease_until = clock_timestamp() + make_interval(secs => $2), claims = q.claims + 1'
    ' FROM (SELECT work_id FROM %1$s WHERE available_at <= clock_timestamp()'
    '       AND (lease_until IS NULL OR lease_until < clock_timestamp())'
    '       ORDER BY available_at LIMIT $1 FOR UPDATE SKIP LOCKED) due'
    ' WHERE q.work_id = due.work_id RETURNING q.tenant_id, q.work_id, q.claims', queue) USING p_limit, p_lease_s;
END $$;

-- The same for webhooks, but tenants whose senders are all busy are left out: their backlog keeps nobody else waiting.
CREATE OR REPLACE FUNCTION platform.claim_webhooks(
  p_finished uuid[], p_deferred uuid[], p_deferred_s double precision[], p_limit integer, p_lease_s integer, p_busy uuid[]
) RETURNS TABLE (tenant_id uuid, work_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  DELETE FROM platform.webhook_queue WHERE work_id = ANY (p_finished) AND lease_until IS NOT NULL;
  UPDATE platform.webhook_queue q
  SET lease_until = NULL, available_at = clock_timestamp() + make_interval(secs => d.delay_s)
  FROM unnest(p_deferred, p_deferred_s) AS d(work_id, delay_s)
  WHERE q.work_id = d.work_id AND q.lease_until IS NOT NULL;
  RETURN QUERY
  UPDATE platform.webhook_queue q
  SET lease_until = clock_timestamp() + make_interval(secs => p_lease_s), claims = q.claims + 1
  FROM (SELECT work_id FROM platform.webhook_queue WHERE available_at <= clock_timestamp()
        AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND tenant_id <> ALL (p_busy)
        ORDER BY available_at LIMIT p_limit FOR UPDATE SKIP LOCKED) due
  WHERE q.work_id = due.work_id RETURNING q.tenant_id, q.work_id;
END $$;

CREATE OR REPLACE FUNCTION platform.active_tenants() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT id FROM platform.tenants WHERE status = 'active' ORDER BY created_at, id $$;

CREATE OR REPLACE FUNCTION platform.installation_id() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT installation_id FROM platform.installation $$;

-- The directory follows the tenant-scoped rows through triggers, so that no login role needs a function to write it.
CREATE OR REPLACE FUNCTION platform.follow_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM platform.login_identities WHERE tenant_id = OLD.tenant_id AND user_id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.status <> 'deleted' THEN
    INSERT INTO platform.login_identities (email, tenant_id, user_id) VALUES (NEW.email, NEW.tenant_id, NEW.id);
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION platform.follow_api_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO platform.api_key_index (key_hash, tenant_id) VALUES (NEW.key_hash, NEW.tenant_id);
  ELSIF TG_OP = 'DELETE' OR NEW.revoked_at IS NOT NULL THEN
    DELETE FROM platform.api_key_index WHERE key_hash = OLD.key_hash AND tenant_id = OLD.tenant_id;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION platform.follow_refresh() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO platform.refresh_index (token_hash, tenant_id) VALUES (NEW.token_hash, NEW.tenant_id);
  ELSE
    DELETE FROM platform.refresh_index WHERE token_hash = OLD.token_hash AND tenant_id = OLD.tenant_id;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION platform.follow_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE platform.tenants SET slug = NEW.slug, status = NEW.status WHERE id = NEW.tenant_id;
  IF NEW.status = 'deleted' THEN
    DELETE FROM platform.login_identities WHERE tenant_id = NEW.tenant_id;
    DELETE FROM platform.api_key_index WHERE tenant_id = NEW.tenant_id;
    DELETE FROM platform.refresh_index WHERE tenant_id = NEW.tenant_id;
  END IF;
  RETURN NULL;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA platform FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform.current_tenant() TO shifty_owner, shifty_app, shifty_dbt;
GRANT EXECUTE ON FUNCTION platform.isolate_table(regclass), platform.isolate_new_tables() TO shifty_owner, shifty_dbt;
GRANT EXECUTE ON FUNCTION platform.find_login(text), platform.find_api_key(bytea), platform.find_refresh(bytea),
  platform.create_tenant(uuid, text, boolean), platform.enqueue(text, uuid), platform.installation_id() TO shifty_app;
GRANT EXECUTE ON FUNCTION platform.claim_work(text, uuid[], uuid[], double precision[], integer, integer),
  platform.claim_webhooks(uuid[], uuid[], double precision[], integer, integer, uuid[]),
  platform.active_tenants() TO shifty_worker;
GRANT EXECUTE ON FUNCTION platform.follow_user(), platform.follow_tenant(), platform.follow_api_key(),
  platform.follow_refresh() TO shifty_owner;

RESET ROLE;

-- The registry's tables, and who may do what with them.
--
-- Five roles, one for each kind of process and one for the operator. Grants are the second wall behind the code: a web
-- process that was taken over can neither approve nor judge, and what was submitted cannot be changed by anybody.
--
-- Written for PostgreSQL 15 and later, without extensions.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['skreg_web', 'skreg_vet', 'skreg_sign', 'skreg_stamp', 'skreg_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', wanted);
        END IF;
    END LOOP;
END
$$;

-- Who may publish what -------------------------------------------------------------------------------------------------

CREATE TABLE namespaces (
    namespace text PRIMARY KEY CHECK (namespace ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(namespace) BETWEEN 2 AND 39),
    tier text NOT NULL CHECK (tier IN ('organisation', 'registry')),
    account_id text NOT NULL,
    organisation text,
    country text,
    organisation_since timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((tier = 'organisation') = (organisation IS NOT NULL AND country IS NOT NULL))
);

CREATE TABLE tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    account_id text NOT NULL,
    namespace text REFERENCES namespaces,
    actions text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);

-- What was submitted, and what became of it ----------------------------------------------------------------------------

CREATE TABLE submissions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    namespace text NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    version text NOT NULL,
    tier text NOT NULL CHECK (tier IN ('organisation', 'registry')),
    account_id text NOT NULL,
    statement bytea NOT NULL,
    statement_sha256 text NOT NULL CHECK (statement_sha256 ~ '^[0-9a-f]{64}$'),
    archive_sha256 text NOT NULL CHECK (archive_sha256 ~ '^[0-9a-f]{64}$'),
    publisher_cms bytea,
    idempotency_key text,
    state text NOT NULL DEFAULT 'received',
    resume_state text,
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((tier = 'organisation') = (publisher_cms IS NOT NULL)),
    -- What is vetted goes by the digest, what is signed are the bytes: nobody can store a pair that differs.
    CONSTRAINT submissions_digest CHECK (statement_sha256 = encode(sha256(statement), 'hex')),
    UNIQUE (id, namespace, name, version)
);

-- A version is claimed by one live submission; rejection frees it, and the client's key with it.
CREATE UNIQUE INDEX submissions_live ON submissions (namespace, name, version) WHERE state <> 'rejected';
CREATE UNIQUE INDEX submissions_idempotency ON submissions (account_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state <> 'rejected';

-- Apart from the row, so that `sign` can be kept from ever seeing an archive.
CREATE TABLE submission_archives (
    submission_id uuid PRIMARY KEY REFERENCES submissions,
    archive bytea NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was submitted cannot be changed' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER submissions_immutable
    BEFORE UPDATE OF id, namespace, name, version, tier, account_id, statement, statement_sha256, archive_sha256,
        publisher_cms, idempotency_key, created_at
    ON submissions FOR EACH ROW
    WHEN ((OLD.id, OLD.namespace, OLD.name, OLD.version, OLD.tier, OLD.account_id, OLD.statement, OLD.statement_sha256,
           OLD.archive_sha256, OLD.publisher_cms, OLD.idempotency_key, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.namespace, NEW.name, NEW.version, NEW.tier, NEW.account_id, NEW.statement, NEW.statement_sha256,
           NEW.archive_sha256, NEW.publisher_cms, NEW.idempotency_key, NEW.created_at))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER submission_archives_immutable
    BEFORE UPDATE ON submission_archives FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE verdicts (
    submission_id uuid PRIMARY KEY REFERENCES submissions,
    outcome text NOT NULL CHECK (outcome IN ('passed', 'rejected')),
    rules text NOT NULL,
    engines text[] NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE findings (
    submission_id uuid NOT NULL REFERENCES submissions,
    position integer NOT NULL,
    rule text NOT NULL,
    path text,
    line integer,
    severity text NOT NULL,
    message text NOT NULL,
    remedy text NOT NULL,
    PRIMARY KEY (submission_id, position)
);

-- Certificates, signatures, seals, versions ----------------------------------------------------------------------------

CREATE TABLE certificates (
    issuer_ski text NOT NULL,
    serial text NOT NULL CHECK (serial ~ '^[1-9a-f][0-9a-f]*$'),
    shard integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('organisation', 'single-use')),
    der bytea NOT NULL,
    namespace text NOT NULL REFERENCES namespaces,
    account_id text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    revoked_since timestamptz,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer_ski, serial),
    CHECK ((revoked_since IS NULL) = (reason IS NULL))
);
CREATE INDEX certificates_revoked ON certificates (issuer_ski, shard) WHERE revoked_since IS NOT NULL;
CREATE INDEX certificates_organisation ON certificates (namespace, not_before) WHERE kind = 'organisation';

CREATE TABLE certificate_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    namespace text NOT NULL REFERENCES namespaces,
    account_id text NOT NULL,
    csr bytea NOT NULL,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'issued', 'refused')),
    error_code text,
    error_message text,
    issuer_ski text,
    serial text,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (issuer_ski, serial) REFERENCES certificates,
    CHECK ((state = 'issued') = (serial IS NOT NULL))
);
-- The same request again is the same one.
CREATE UNIQUE INDEX certificate_requests_same ON certificate_requests (namespace, account_id, sha256(csr))
    WHERE state <> 'refused';
CREATE INDEX certificate_requests_open ON certificate_requests (created_at) WHERE state = 'requested';

-- An officer's order and signature. A row means nothing; the signature does.
CREATE TABLE approvals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    action text NOT NULL,
    object_id text NOT NULL,
    order_bytes bytea NOT NULL,
    envelope bytea NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'refused')),
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX approvals_object ON approvals (action, object_id);

-- The owner's own wish; needs no officer, and counts from the moment it was made.
CREATE TABLE revocation_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    issuer_ski text NOT NULL,
    serial text NOT NULL,
    account_id text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (issuer_ski, serial) REFERENCES certificates
);
CREATE INDEX revocation_requests_certificate ON revocation_requests (issuer_ski, serial);

CREATE TABLE signatures (
    submission_id uuid PRIMARY KEY REFERENCES submissions,
    issuer_ski text,
    serial text,
    cms bytea,
    gen_time timestamptz,
    crls bytea,
    CHECK ((cms IS NULL) = (gen_time IS NULL) AND (cms IS NULL) = (crls IS NULL))
);
CREATE INDEX signatures_leaf ON signatures (issuer_ski, serial);

CREATE TABLE seals (
    submission_id uuid PRIMARY KEY REFERENCES submissions,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL
);

CREATE TABLE versions (
    namespace text NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    version text NOT NULL,
    submission_id uuid NOT NULL UNIQUE REFERENCES signatures,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL,
    status text NOT NULL DEFAULT 'live' CHECK (status IN ('live', 'yanked', 'blocked')),
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace, name, version),
    -- A version is its submission's: nobody can list one signature under another's name.
    FOREIGN KEY (submission_id, namespace, name, version) REFERENCES submissions (id, namespace, name, version)
);

CREATE FUNCTION guard_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.namespace, OLD.name, OLD.version, OLD.submission_id, OLD.sha256, OLD.size, OLD.published_at)
       IS DISTINCT FROM
       (NEW.namespace, NEW.name, NEW.version, NEW.submission_id, NEW.sha256, NEW.size, NEW.published_at) THEN
        RAISE EXCEPTION 'a published version cannot be changed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status = 'blocked' AND NEW.status <> 'blocked' THEN
        RAISE EXCEPTION 'a blocked version stays blocked' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status = 'blocked' AND OLD.status <> 'blocked' AND current_user = 'skreg_web' THEN
        RAISE EXCEPTION 'the web process cannot block' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- The moment of the change, not of the transaction's start: listings are compared with it.
    NEW.status_changed_at := CASE WHEN NEW.status = OLD.status THEN OLD.status_changed_at ELSE clock_timestamp() END;
    RETURN NEW;
END
$$;
CREATE TRIGGER versions_guard BEFORE UPDATE ON versions FOR EACH ROW EXECUTE FUNCTION guard_version();

-- Signed lists ---------------------------------------------------------------------------------------------------------

CREATE TABLE crls (
    issuer_ski text NOT NULL,
    shard integer NOT NULL,
    number bigint NOT NULL DEFAULT 0,
    changed_number bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer_ski, shard)
);

CREATE TABLE crl_history (
    issuer_ski text NOT NULL,
    shard integer NOT NULL,
    number bigint NOT NULL,
    this_update timestamptz NOT NULL,
    next_update timestamptz NOT NULL,
    PRIMARY KEY (issuer_ski, shard, number)
);

CREATE TABLE listings (
    namespace text NOT NULL,
    name text NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    issued timestamptz,
    PRIMARY KEY (namespace, name)
);

CREATE SEQUENCE timestamp_serial AS bigint;

-- The queue ------------------------------------------------------------------------------------------------------------

CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    worker text NOT NULL CHECK (worker IN ('vet', 'sign')),
    kind text NOT NULL CHECK (length(kind) <= 20),
    subject text NOT NULL CHECK (length(subject) <= 200),
    run_at timestamptz NOT NULL DEFAULT now(),
    wanted bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    last_error text,
    UNIQUE (worker, kind, subject)
);
CREATE INDEX jobs_due ON jobs (worker, run_at, id);

-- Each worker sees and settles its own jobs; asking is for `enqueue`.
ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY jobs_of_vet ON jobs TO skreg_vet USING (worker = 'vet');
CREATE POLICY jobs_of_sign ON jobs TO skreg_sign USING (worker = 'sign');
CREATE POLICY jobs_for_operator ON jobs FOR SELECT TO skreg_operator USING (true);

-- Whoever changes a state asks for work in the same transaction; each role only for what follows from its own changes.
CREATE FUNCTION enqueue(worker text, kind text, subject text, run_at timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wish CONSTANT text := $1 || ' ' || $2;
BEGIN
    IF NOT (CASE session_user
        WHEN 'skreg_web' THEN wish IN ('vet vet', 'sign listing', 'sign revocation')
        WHEN 'skreg_vet' THEN wish IN ('sign sign', 'sign listing')
        WHEN 'skreg_sign' THEN wish IN ('vet seal', 'sign crl', 'sign listing')
        WHEN 'skreg_operator' THEN wish IN ('vet vet', 'sign certificate', 'sign order', 'sign listing')
        ELSE true
    END) THEN
        RAISE EXCEPTION '% may not ask for %', session_user, wish USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO jobs AS job (worker, kind, subject, run_at) VALUES ($1, $2, $3, greatest($4, now()))
    ON CONFLICT ON CONSTRAINT jobs_worker_kind_subject_key
    DO UPDATE SET wanted = job.wanted + 1, attempts = 0, run_at = least(job.run_at, excluded.run_at);
    PERFORM pg_notify('skreg_' || $1, '');
END
$$;
REVOKE EXECUTE ON FUNCTION enqueue FROM PUBLIC;

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    role text NOT NULL DEFAULT current_user,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail text NOT NULL DEFAULT ''
);

-- Grants ---------------------------------------------------------------------------------------------------------------
--
-- By column where it matters: what a role may not write has its default, such as the state of a new submission.

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT EXECUTE ON FUNCTION enqueue TO skreg_web, skreg_vet, skreg_sign, skreg_operator;
GRANT INSERT (actor, action, object, detail) ON audit TO skreg_web, skreg_sign, skreg_operator;

GRANT SELECT ON namespaces, tokens, submissions, findings, certificates, certificate_requests, versions TO skreg_web;
GRANT SELECT (submission_id, issuer_ski, serial, gen_time) ON signatures TO skreg_web, skreg_operator;
GRANT INSERT (namespace, name, version, tier, account_id, statement, statement_sha256, archive_sha256, publisher_cms,
    idempotency_key) ON submissions TO skreg_web;
GRANT INSERT ON submission_archives TO skreg_web;
GRANT INSERT (namespace, account_id, csr) ON certificate_requests TO skreg_web;
GRANT INSERT (issuer_ski, serial, account_id, reason) ON revocation_requests TO skreg_web;
GRANT UPDATE (status) ON versions TO skreg_web;

GRANT SELECT ON submissions, submission_archives, signatures TO skreg_vet;
GRANT UPDATE (state, resume_state, error_code, error_message, updated_at) ON submissions TO skreg_vet;
GRANT SELECT, INSERT, UPDATE ON verdicts, seals TO skreg_vet;
GRANT SELECT, INSERT, DELETE ON findings TO skreg_vet;
GRANT INSERT (namespace, name, version, submission_id, sha256, size) ON versions TO skreg_vet;

GRANT SELECT ON namespaces, submissions, versions, approvals, certificate_requests, revocation_requests TO skreg_sign;
GRANT UPDATE (state, resume_state, error_code, error_message, updated_at) ON submissions TO skreg_sign;
GRANT UPDATE (status) ON versions TO skreg_sign;
GRANT UPDATE (state, error_code, error_message, issuer_ski, serial) ON certificate_requests TO skreg_sign;
GRANT UPDATE (state, error_code, error_message) ON approvals TO skreg_sign;
GRANT SELECT, INSERT, DELETE ON findings TO skreg_sign;
GRANT SELECT, INSERT, UPDATE (revoked_since, reason) ON certificates TO skreg_sign;
GRANT SELECT, INSERT ON crl_history TO skreg_sign;
GRANT SELECT, INSERT, UPDATE ON signatures, crls, listings TO skreg_sign;

GRANT SELECT, DELETE, UPDATE (run_at, attempts, fence, leased_until, last_error) ON jobs TO skreg_vet, skreg_sign;

GRANT USAGE ON SEQUENCE timestamp_serial TO skreg_stamp;

GRANT SELECT ON namespaces, submissions, findings, verdicts, certificates, certificate_requests, versions, seals,
    listings, crls, approvals, revocation_requests, jobs, audit, schema_migrations TO skreg_operator;
GRANT SELECT (id, account_id, namespace, actions, created_at, expires_at, revoked_at) ON tokens TO skreg_operator;
GRANT INSERT, UPDATE ON namespaces TO skreg_operator;
GRANT INSERT ON tokens, crl_history TO skreg_operator;
GRANT INSERT (action, object_id, order_bytes, envelope) ON approvals TO skreg_operator;
GRANT UPDATE (revoked_at) ON tokens TO skreg_operator;

-- Owners make tokens from their own, and take them back. The web process can do neither by itself: both functions want
-- a token that is valid, has the action `token`, and is presented whole; its digest, which that role can read, is no use.

ALTER TABLE tokens ADD COLUMN parent uuid REFERENCES tokens;
CREATE INDEX tokens_parent ON tokens (parent) WHERE parent IS NOT NULL;

CREATE FUNCTION require_holder(presented text) RETURNS tokens
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    holder tokens;
BEGIN
    SELECT * INTO holder FROM tokens
        WHERE sha256 = sha256(convert_to(presented, 'UTF8')) AND revoked_at IS NULL AND expires_at > now()
        AND parent IS NULL AND 'token' = ANY(actions) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no token that may make tokens' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN holder;
END
$$;

-- For the same namespace, for no more than its parent may do, for no longer, and never to make others.
CREATE FUNCTION derive_token(presented text, digest bytea, wanted text[], until timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    holder CONSTANT tokens := require_holder(presented);
    made uuid;
BEGIN
    IF cardinality(wanted) = 0 OR NOT wanted <@ holder.actions OR 'token' = ANY(wanted) OR until > holder.expires_at
       OR until <= now() THEN
        RAISE EXCEPTION 'more than the token may do' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM tokens WHERE parent = holder.id AND revoked_at IS NULL AND expires_at > now()) >= 50 THEN
        RAISE EXCEPTION 'too many tokens' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO tokens (sha256, account_id, namespace, actions, expires_at, parent)
        VALUES (digest, holder.account_id, holder.namespace, wanted, until, holder.id) RETURNING id INTO made;
    RETURN made;
END
$$;

-- Itself or one made from it; true when that is over now.
CREATE FUNCTION revoke_token(presented text, target uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    holder CONSTANT tokens := require_holder(presented);
BEGIN
    UPDATE tokens SET revoked_at = coalesce(revoked_at, now())
        WHERE id = target AND (id = holder.id OR parent = holder.id);
    RETURN FOUND;
END
$$;

REVOKE EXECUTE ON FUNCTION require_holder, derive_token, revoke_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION derive_token, revoke_token TO skreg_web;

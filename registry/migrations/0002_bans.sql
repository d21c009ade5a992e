-- A namespace that an officer banned: nothing new is issued or listed for it, whoever was faster.
--
-- Both triggers share-lock the namespace's row, so that a ban and what it forbids happen one after the other.

ALTER TABLE namespaces ADD COLUMN banned_at timestamptz;

CREATE FUNCTION guard_ban() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.banned_at IS NOT NULL THEN
        RAISE EXCEPTION 'a banned namespace stays banned' USING ERRCODE = 'restrict_violation';
    END IF;
    -- The operator's role may write namespaces; a ban takes an officer's order, which only sign carries out.
    IF current_user = 'skreg_operator' THEN
        RAISE EXCEPTION 'the operator cannot ban' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER namespaces_ban BEFORE UPDATE OF banned_at ON namespaces FOR EACH ROW
    WHEN (OLD.banned_at IS DISTINCT FROM NEW.banned_at) EXECUTE FUNCTION guard_ban();

CREATE FUNCTION is_banned(wanted text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    since timestamptz;
BEGIN
    SELECT banned_at INTO since FROM namespaces WHERE namespace = wanted FOR SHARE;
    RETURN since IS NOT NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION is_banned FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_banned TO skreg_vet, skreg_sign;

CREATE FUNCTION refuse_banned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_banned(NEW.namespace) THEN
        RAISE EXCEPTION 'namespace % is banned', NEW.namespace USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER certificates_of_banned BEFORE INSERT ON certificates FOR EACH ROW EXECUTE FUNCTION refuse_banned();

-- What was signed before the ban and is published after it is published as blocked.
CREATE FUNCTION block_banned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_banned(NEW.namespace) THEN
        NEW.status := 'blocked';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER versions_of_banned BEFORE INSERT ON versions FOR EACH ROW EXECUTE FUNCTION block_banned();

GRANT UPDATE (banned_at) ON namespaces TO skreg_sign;
CREATE INDEX certificates_namespace ON certificates (namespace, not_before);

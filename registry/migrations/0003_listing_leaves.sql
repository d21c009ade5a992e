-- Listing leaves are certificates like others: recorded before they are used, and revocable. They belong to no namespace.

ALTER TABLE certificates DROP CONSTRAINT certificates_kind_check;
ALTER TABLE certificates ADD CONSTRAINT certificates_kind_check CHECK (kind IN ('organisation', 'single-use', 'listing'));
ALTER TABLE certificates ALTER COLUMN namespace DROP NOT NULL;
ALTER TABLE certificates ADD CONSTRAINT certificates_namespace_check CHECK ((kind = 'listing') = (namespace IS NULL));
CREATE INDEX certificates_listing ON certificates (issuer_ski, not_before) WHERE kind = 'listing';

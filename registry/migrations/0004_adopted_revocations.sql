-- After a restore: revocations that the CRLs of the store know, of certificates that the database no longer has.
-- `skreg-ca adopt` writes them under the owner's role; CRLs go on naming them for ever.

CREATE TABLE adopted_revocations (
    issuer_ski text NOT NULL,
    serial text NOT NULL CHECK (serial ~ '^[1-9a-f][0-9a-f]*$'),
    shard integer NOT NULL,
    revoked_since timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (issuer_ski, serial)
);
CREATE INDEX adopted_revocations_shard ON adopted_revocations (issuer_ski, shard);
GRANT SELECT ON adopted_revocations TO skreg_sign, skreg_operator;

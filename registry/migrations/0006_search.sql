-- What a package is found by: its name, and the description of its newest version. Written by who publishes.

CREATE TABLE package_texts (
    namespace text NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    description text NOT NULL,
    words tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', namespace || ' ' || name), 'A')
        || setweight(to_tsvector('english', description), 'B')
    ) STORED,
    PRIMARY KEY (namespace, name)
);
CREATE INDEX package_texts_words ON package_texts USING gin (words);
GRANT SELECT ON package_texts TO skreg_web;
GRANT SELECT, INSERT, UPDATE (description) ON package_texts TO skreg_vet;

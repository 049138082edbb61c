-- +goose Up

-- What candor calibrate has made, never changed and never removed: decisions name it by name@version. digest is over scope, data
-- set and body, data the whole message.
CREATE TABLE artefacts (
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    data       BLOB    NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (name, version),
    UNIQUE (name, digest)
) STRICT;

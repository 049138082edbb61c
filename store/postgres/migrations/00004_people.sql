-- +goose Up

-- Local users. None is ever deleted: records name them.
CREATE TABLE people_users (
    name           TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    roles          TEXT    NOT NULL, -- JSON: numbers of candor.v1.Role
    queues         TEXT    NOT NULL, -- JSON: names; null: all
    disabled       BOOLEAN NOT NULL,
    handle         BYTEA   NOT NULL UNIQUE,
    password       TEXT    NOT NULL, -- argon2id in PHC form; empty: none
    code_sha256    BYTEA   UNIQUE,   -- of the enrolment code; null: none
    code_expire_us BIGINT  NOT NULL,
    created_us     BIGINT  NOT NULL,
    last_login_us  BIGINT  NOT NULL
);

CREATE TABLE people_passkeys (
    id        BYTEA NOT NULL PRIMARY KEY,
    user_name TEXT  COLLATE "C" NOT NULL REFERENCES people_users (name),
    data      BYTEA NOT NULL -- JSON: the credential record of WebAuthn
);
CREATE INDEX people_passkeys_of_user ON people_passkeys (user_name);

-- Browsers in which somebody has logged in: local users, and people of an OpenID provider.
CREATE TABLE people_sessions (
    id             TEXT    NOT NULL PRIMARY KEY,
    key_sha256     BYTEA   NOT NULL UNIQUE,
    key_since_us   BIGINT  NOT NULL,
    before_sha256  BYTEA   UNIQUE,   -- the key before; null: none
    before_us      BIGINT  NOT NULL, -- until when it is honoured
    forgery_sha256 BYTEA   NOT NULL, -- of the forms' token
    user_name      TEXT    COLLATE "C" NOT NULL,
    local          BOOLEAN NOT NULL,
    method         TEXT    NOT NULL,
    roles          TEXT    NOT NULL, -- of the last rotation; of people who aren't local, also those of now
    queues         TEXT    NOT NULL,
    remote         TEXT    NOT NULL,
    user_agent     TEXT    NOT NULL,
    created_us     BIGINT  NOT NULL,
    last_use_us    BIGINT  NOT NULL,
    idle_until_us  BIGINT  NOT NULL,
    expire_us      BIGINT  NOT NULL
);
CREATE INDEX people_sessions_of_user ON people_sessions (user_name);
CREATE INDEX people_sessions_expire ON people_sessions (expire_us);

CREATE TABLE people_tokens (
    id            TEXT   NOT NULL PRIMARY KEY,
    user_name     TEXT   COLLATE "C" NOT NULL REFERENCES people_users (name),
    secret_sha256 BYTEA  NOT NULL UNIQUE,
    description   TEXT   NOT NULL,
    created_us    BIGINT NOT NULL,
    expire_us     BIGINT NOT NULL,
    last_use_us   BIGINT NOT NULL
);
CREATE INDEX people_tokens_of_user ON people_tokens (user_name);

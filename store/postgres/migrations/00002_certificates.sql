-- Evidence for certificates: calibration/certificate says what the numbers mean. DOUBLE PRECISION holds a float64 exactly.

-- +goose Up

-- What a transaction locks before it reads or changes any version of a certificate, so that gateways take turns. The row
-- outlives all versions: to wait for the lock on a version would end at a row that has been replaced since.
CREATE TABLE certificate_keys (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

-- Every version of every certificate; state is a candor.v1.CertificateState. upstream is the digest of the tier before.
CREATE TABLE certificates (
    position BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    digest   TEXT    COLLATE "C" NOT NULL,
    version  BIGINT  NOT NULL,
    model    TEXT    NOT NULL,
    stage    TEXT    NOT NULL,
    segment  TEXT    NOT NULL,
    upstream TEXT    COLLATE "C" NOT NULL,
    ended    BOOLEAN NOT NULL DEFAULT false,
    state    BYTEA   NOT NULL,
    UNIQUE (digest, version)
);

CREATE UNIQUE INDEX certificates_in_force ON certificates (digest) WHERE NOT ended;
CREATE INDEX certificates_downstream ON certificates (upstream, digest) WHERE NOT ended;
CREATE INDEX certificates_listed ON certificates (ended, position DESC);
CREATE INDEX certificates_listed_of_model ON certificates (model, ended, position DESC);

-- Calls that were drawn and aren't consumed yet, of versions in force; certificate is digest.version. open counts rows
-- without a final verdict.
CREATE TABLE certificate_units (
    certificate TEXT             NOT NULL,
    number      BIGINT           NOT NULL,
    least       DOUBLE PRECISION NOT NULL,
    drawn_us    BIGINT           NOT NULL,
    open        INTEGER          NOT NULL CHECK (open >= 0),
    PRIMARY KEY (certificate, number)
);

-- What has entered a key's evidence, in whatever version: digests of inputs (cluster 0) and of what shares its fate (1).
CREATE TABLE certificate_inputs (
    digest  TEXT     NOT NULL,
    cluster SMALLINT NOT NULL,
    input   BYTEA    NOT NULL,
    PRIMARY KEY (digest, cluster, input)
);

CREATE TABLE certificate_revocations (
    certificate TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    PRIMARY KEY (certificate, request_id)
);

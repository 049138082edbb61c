-- +goose Up

-- Receivers of final answers, by their names in the configuration. Rows stay when a name is taken out. cursor is the position in
-- finals up to which deliveries were made.
CREATE TABLE webhooks (
    name            TEXT   NOT NULL PRIMARY KEY,
    cursor          BIGINT NOT NULL,
    disabled_reason TEXT   NOT NULL DEFAULT '',
    disabled_us     BIGINT NOT NULL DEFAULT 0,
    last_success_us BIGINT NOT NULL DEFAULT 0,
    last_failure_us BIGINT NOT NULL DEFAULT 0,
    last_error      TEXT   NOT NULL DEFAULT ''
);

-- What signs. expires_us 0: the newest, which doesn't expire.
CREATE TABLE webhook_secrets (
    position   BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    webhook    TEXT   NOT NULL REFERENCES webhooks (name),
    key        BYTEA  NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX webhook_secrets_of_webhook ON webhook_secrets (webhook, position DESC);

-- state is a candor.v1.WebhookDeliveryState: 1 pending, 2 delivered, 3 failed. due_us is when the next attempt may begin, or the
-- lease under way ends; epoch rises with every lease. ended_us 0: it is pending.
CREATE TABLE webhook_deliveries (
    id            TEXT     COLLATE "C" NOT NULL PRIMARY KEY,
    webhook       TEXT     NOT NULL REFERENCES webhooks (name),
    position      BIGINT   NOT NULL,
    prediction_id TEXT     NOT NULL,
    body          BYTEA    NOT NULL,
    state         SMALLINT NOT NULL,
    attempts      INTEGER  NOT NULL DEFAULT 0,
    first_us      BIGINT   NOT NULL DEFAULT 0,
    epoch         BIGINT   NOT NULL DEFAULT 0,
    created_us    BIGINT   NOT NULL,
    due_us        BIGINT   NOT NULL,
    ended_us      BIGINT   NOT NULL DEFAULT 0,
    last_error    TEXT     NOT NULL DEFAULT '',
    last_status   INTEGER  NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due_us, position) WHERE state = 1;
-- Whether another of the same prediction comes first.
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (webhook, prediction_id, position) WHERE state = 1;
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook, position DESC, id DESC);
CREATE INDEX webhook_deliveries_listed_of_state ON webhook_deliveries (webhook, state, position DESC, id DESC);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_us) WHERE state <> 1;

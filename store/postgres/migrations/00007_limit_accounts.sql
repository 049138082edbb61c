-- +goose Up

-- What a limit's leases come to. A grant locks its limit's row, so that grants come one after the other; permits is the sum over
-- the limit's rows in limit_leases. Made by the first grant, of the leases that are there.
CREATE TABLE limit_accounts (
    limit_name TEXT   NOT NULL PRIMARY KEY,
    clock_us   BIGINT NOT NULL, -- of the latest grant
    shift_us   BIGINT NOT NULL, -- what the server's clock was corrected by then
    lost_us    BIGINT NOT NULL, -- what the limit's time has fallen behind by setting back
    permits    BIGINT NOT NULL,
    last_id    BIGINT NOT NULL,
    window_ns  BIGINT NOT NULL, -- the longest that gateways ask about
    window_us  BIGINT NOT NULL  -- when they did last
);

-- Leases from before have no holder who would settle them.
ALTER TABLE limit_leases ADD COLUMN settled BOOLEAN NOT NULL DEFAULT true;
ALTER TABLE limit_leases ALTER COLUMN settled SET DEFAULT false;

CREATE INDEX limit_leases_until ON limit_leases (limit_name, until_us) INCLUDE (permits);
CREATE INDEX limit_leases_open ON limit_leases (limit_name, until_us) WHERE NOT settled;

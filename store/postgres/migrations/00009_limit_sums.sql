-- +goose Up

-- The amount of a sum that didn't fit; 0 where answers are counted.
ALTER TABLE limit_trips  ADD COLUMN amount BIGINT NOT NULL DEFAULT 0;
ALTER TABLE limit_events ADD COLUMN amount BIGINT NOT NULL DEFAULT 0;

-- When the account was made: that of a key is deleted when nothing of it counts, and may be made again. 0: before there were keys.
ALTER TABLE limit_accounts ADD COLUMN born_us BIGINT NOT NULL DEFAULT 0;

-- The accounts of limits, which are read twice a second; those of keys, of which there may be thousands, have a slash in the name.
CREATE INDEX limit_accounts_whole ON limit_accounts (limit_name) WHERE strpos(limit_name, '/') = 0;

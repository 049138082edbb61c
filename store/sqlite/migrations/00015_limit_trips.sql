-- +goose Up

-- What a trip's numbers are in; empty: answers, or it is from before. Of a ratio, the answers that they are a share of.
ALTER TABLE limit_trips  ADD COLUMN unit        TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_trips  ADD COLUMN denominator INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_events ADD COLUMN unit        TEXT    NOT NULL DEFAULT '';
ALTER TABLE limit_events ADD COLUMN denominator INTEGER NOT NULL DEFAULT 0;

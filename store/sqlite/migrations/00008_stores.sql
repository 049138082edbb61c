-- +goose Up

-- What reviewers gave on: skips (5) and escalations (6) of a span.
CREATE INDEX review_events_passed ON review_events (at_us) WHERE kind IN (5, 6);

-- What an item's answer was at its position, as review.Item's EncodeFinal has it; null: of a position that was given before there
-- was this column, at which the item has the answer that it has by now.
ALTER TABLE finals ADD COLUMN answer BLOB;

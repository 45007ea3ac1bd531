-- Partitions of events, what is too old, and counting everything anew.

-- name: event_partitions
-- The partitions with the ranges of match ids that they hold.
SELECT child.relname AS name, pg_get_expr(child.relpartbound, child.oid) AS bounds
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'events'::regclass
ORDER BY child.relname

-- name: try_maintain_lock
-- Whether nobody else is at it; held until the transaction ends.
SELECT pg_try_advisory_xact_lock(7236901403)

-- name: expire_other_events
-- Old events of no partition, some at a time, by when they were applied: their own time may be odd.
DELETE FROM events_other WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM events_other WHERE applied_at < to_timestamp($1::bigint / 1000.0) LIMIT $2))

-- name: expired_board
-- A daily board from before the day $1.
SELECT board_id FROM boards WHERE span = 'day' AND period COLLATE "C" < $1 ORDER BY 1 LIMIT 1

-- name: expire_scores
-- Some of a board's scores.
DELETE FROM board_scores WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM board_scores WHERE board_id = $1 LIMIT $2))

-- name: expire_board
-- A board without scores.
WITH bands AS (DELETE FROM board_bands WHERE board_id = $1),
     buckets AS (DELETE FROM board_buckets WHERE board_id = $1)
DELETE FROM boards WHERE board_id = $1

-- name: untallied_participants
-- Matches that are not counted but have players, after $1 in the order of ids.
SELECT DISTINCT match_id FROM participants
WHERE match_id > $1
      AND NOT EXISTS (SELECT FROM matches WHERE match_id = participants.match_id AND tallied)
ORDER BY match_id LIMIT $2

-- name: forget_tallies
-- Every match is to be counted again.
UPDATE matches SET tallied = false WHERE tallied

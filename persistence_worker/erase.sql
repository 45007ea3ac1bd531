-- Erasing a player, and finding all that is stored of one.

-- name: lock_erased
-- Wait for everyone who has read ids and still writes what follows from them.
LOCK TABLE erased_players IN ACCESS EXCLUSIVE MODE

-- name: remember_erased
-- From now on this player is stored under the pseudonym only.
INSERT INTO erased_players (pseudonym) VALUES ($1) ON CONFLICT (pseudonym) DO NOTHING

-- name: matches_of_player
-- The next $3 matches after $2 in which the player took part.
SELECT match_id FROM (
    SELECT match_id FROM participants WHERE player_id = $1
    UNION SELECT match_id FROM results WHERE player_id = $1
    UNION SELECT match_id FROM events WHERE player = $1
    UNION SELECT match_id FROM rating_changes WHERE player_id = $1
) AS played
WHERE match_id COLLATE "C" > $2 ORDER BY match_id COLLATE "C" LIMIT $3

-- name: unended_matches
-- Matches that nobody has told the end of, with one of these players in them.
SELECT DISTINCT match_id FROM participants LEFT JOIN matches USING (match_id)
WHERE player_id = ANY ($1::text[]) AND left_at IS NULL AND ended_at IS NULL
ORDER BY match_id

-- name: erase_events
-- $4 and $5: id and pseudonym as JSON. Of the player's own events all that is sealed goes.
UPDATE events SET
    player = CASE WHEN player = $2 THEN $3 ELSE player END,
    data = CASE WHEN player = $2 THEN (
               SELECT coalesce(jsonb_object_agg(key, CASE
                          WHEN value #>> '{}' LIKE 'gs1.%' AND jsonb_typeof(value) = 'string'
                               OR kind = 'player_joined' AND key = 'name'
                          THEN 'null'::jsonb ELSE value END), '{}'::jsonb)
               FROM jsonb_each(replace(data::text, $4, $5)::jsonb))
           ELSE replace(data::text, $4, $5)::jsonb END
WHERE match_id = ANY ($1::text[]) AND (player = $2 OR position($4 IN data::text) > 0)

-- name: erase_recordings
-- What the matches consumed: nobody can take one player out of it and play the rest again.
DELETE FROM recordings WHERE match_id = ANY ($1::text[])

-- name: erase_matches
UPDATE matches SET result = replace(result::text, $2, $3)::jsonb
WHERE match_id = ANY ($1::text[]) AND position($2 IN result::text) > 0

-- name: erase_participants
-- Where events came late, under the pseudonym, the row that knows the latest event stays.
DELETE FROM participants AS one USING participants AS other
WHERE one.match_id = ANY ($1::text[]) AND other.match_id = one.match_id
      AND (one.player_id, other.player_id) IN (($2, $3), ($3, $2))
      AND (one.last_seq, one.player_id) < (other.last_seq, other.player_id)

-- name: rename_participants
UPDATE participants SET player_id = $3, name = NULL
WHERE match_id = ANY ($1::text[]) AND player_id = $2

-- name: erase_results
-- Of two results of one match the one under the pseudonym gives way.
DELETE FROM results AS late USING results AS own
WHERE late.match_id = ANY ($1::text[]) AND own.match_id = late.match_id
      AND (late.player_id, own.player_id) = ($3, $2)

-- name: rename_results
UPDATE results SET player_id = $3 WHERE match_id = ANY ($1::text[]) AND player_id = $2

-- name: erase_player
DELETE FROM players WHERE player_id = $1

-- name: erase_ratings
DELETE FROM ratings WHERE player_id = $1

-- name: erase_rating_changes
DELETE FROM rating_changes WHERE player_id = $1

-- name: erase_scores
-- The player's places on all boards, and the player in the counts of their buckets and bands.
WITH gone AS (
    DELETE FROM board_scores WHERE player_id = $1 RETURNING board_id, board_bucket(points) AS bucket
), buckets AS (
    UPDATE board_buckets AS stored SET players = stored.players - 1 FROM gone
    WHERE (stored.board_id, stored.bucket) = (gone.board_id, gone.bucket)
), bands AS (
    UPDATE board_bands AS stored SET players = stored.players - 1 FROM gone
    WHERE (stored.board_id, stored.band) = (gone.board_id, gone.bucket >> 7)
)
SELECT count(*) FROM gone

-- name: parked_of_player
-- $1: the id as JSON.
SELECT id, body FROM parked_events WHERE position($1 IN body) > 0 ORDER BY id

-- name: repark
-- A parked letter with another body, under that one's id; unless it is there already.
WITH old AS (DELETE FROM parked_events WHERE id = $1 RETURNING *)
INSERT INTO parked_events
    (id, body, attributes, reason, detail, redrives, first_at, last_at, parked_at, schema, bytes,
     events, matches, games)
SELECT $2, $3, attributes, reason, detail, redrives, first_at, last_at, parked_at, schema,
       octet_length($3), events, matches, games
FROM old
ON CONFLICT (id) DO NOTHING

-- name: forget_letter_answers
-- Answers to operators in which the player ($1: the id as JSON) stands.
UPDATE letter_orders SET answer = NULL WHERE position($1 IN answer::text) > 0

-- name: export_player
SELECT * FROM players WHERE player_id = $1

-- name: export_participants
SELECT * FROM participants WHERE player_id = $1 ORDER BY match_id

-- name: export_results
SELECT * FROM results WHERE player_id = $1 ORDER BY match_id

-- name: export_ratings
SELECT * FROM ratings WHERE player_id = $1 ORDER BY game, mode

-- name: export_rating_changes
SELECT * FROM rating_changes WHERE player_id = $1 ORDER BY number

-- name: export_scores
SELECT game, mode, span, period, points FROM board_scores JOIN boards USING (board_id)
WHERE player_id = $1 ORDER BY game, mode, span, period

-- name: export_recordings
-- Recordings of matches in which the player took part.
SELECT match_id, game, mode, min(at) AS at, count(*) AS pieces, sum(length(body)) AS bytes
FROM recordings
WHERE match_id IN (
    SELECT match_id FROM participants WHERE player_id = $1
    UNION SELECT match_id FROM events WHERE player = $1
)
GROUP BY match_id, game, mode ORDER BY match_id

-- name: export_events
-- The next $4 events after ($2, $3) that the player caused.
SELECT match_id, seq, kind, player, game, mode, at, data::text AS data FROM events
WHERE player = $1 AND (match_id, seq) > ($2, $3)
ORDER BY match_id, seq LIMIT $4

-- name: export_parked
-- $1: the id as JSON.
SELECT id, body, reason, detail FROM parked_events WHERE position($1 IN body) > 0 ORDER BY id

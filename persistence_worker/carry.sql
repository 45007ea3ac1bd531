-- Events from one database into another, and whether two databases say the same.

-- name: events_to_carry
-- The next $4 events behind ($1, $2) in the order of their ids that were stored at $3 or later.
SELECT match_id AS match, seq, kind, player, game, mode, epoch, tick,
       round(extract(epoch FROM at) * 1000)::bigint AS at_ms, data::text AS data, digest
FROM events
WHERE (match_id, seq) > ($1, $2) AND applied_at >= $3
ORDER BY match_id, seq LIMIT $4

-- name: data_keys
-- These data keys, wrapped.
SELECT key_id, wrapped FROM data_keys WHERE key_id = ANY ($1::text[])

-- name: erasures
-- All that were erased.
SELECT pseudonym, at FROM erased_players

-- name: insert_erasures
INSERT INTO erased_players (pseudonym, at) SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT (pseudonym) DO NOTHING

-- name: compare_events
SELECT match_id, seq, kind, player, game, mode, epoch, tick, at, data, digest FROM events

-- name: compare_matches
SELECT match_id, game, mode, started_at, players_max, ended_at, reason, ticks, duration_ms, result
FROM matches

-- name: compare_participants
SELECT match_id, player_id, seat, name, joined_at, left_at, leave_reason, joined_seq, last_seq
FROM participants

-- name: compare_results
SELECT match_id, player_id, place, score FROM results

-- name: compare_players
SELECT player_id, name, named_by, named_at, first_seen, last_seen, matches FROM players

-- name: compare_ratings
SELECT player_id, game, mode, mu, sigma, matches FROM ratings

-- name: compare_boards
SELECT game, mode, span, period, player_id, points FROM board_scores JOIN boards USING (board_id)

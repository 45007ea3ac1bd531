-- Reading what became of matches. Names are as they were stored.

-- name: matches_of_player
-- A page of a player's matches, newest first: those before ($2, $3), or all where $2 is null. $5 and
-- $6: game and mode, or empty.
SELECT matches.match_id, game, mode, players_max, started_at, ended_at, reason, duration_ms,
       seat, joined_at, left_at, leave_reason, place, score
FROM participants JOIN matches USING (match_id)
     LEFT JOIN results ON results.match_id = matches.match_id AND results.player_id = $1
WHERE participants.player_id = $1
      AND ($2::timestamptz IS NULL OR (joined_at, matches.match_id) < ($2, $3))
      AND ($5 = '' OR game = $5) AND ($6 = '' OR mode = $6)
      AND joined_at IS NOT NULL
ORDER BY joined_at DESC, matches.match_id DESC
LIMIT $4

-- name: match_result
-- One match.
SELECT match_id, game, mode, players_max, started_at, ended_at, reason, ticks, duration_ms,
       result::text AS result
FROM matches WHERE match_id = $1

-- name: match_players
-- Who played in it, the best first.
SELECT player_id, seat, name, joined_seq, joined_at, left_at, leave_reason, place, score
FROM participants LEFT JOIN results USING (match_id, player_id)
WHERE match_id = $1
ORDER BY place NULLS LAST, seat, player_id
LIMIT $2

-- name: wrapped_keys
-- Data keys that names are sealed under, as KMS has wrapped them.
SELECT key_id, wrapped FROM data_keys WHERE key_id = ANY ($1::text[])

-- name: newest_period
-- The period of a span that began last.
SELECT period FROM boards WHERE (game, mode, span) = ($1, $2, $3)
ORDER BY board_id DESC LIMIT 1

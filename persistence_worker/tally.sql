-- What a match's end counts for: players, ratings, boards. The rows of players are the lock.

-- name: claim_matches
-- Of these matches the ended ones that were never counted, with their results.
WITH claimed AS (
    UPDATE matches SET tallied = true
    WHERE match_id = ANY ($1::text[]) AND ended_at IS NOT NULL AND NOT tallied
    RETURNING match_id, game, mode, ended_at
)
SELECT match_id, game, mode, round(extract(epoch FROM ended_at) * 1000)::bigint AS ended_at_ms,
       player_id AS player, place, score
FROM claimed LEFT JOIN results USING (match_id)

-- name: claim_next_matches
-- The first $1 ended matches that nobody has counted or is counting, with their results.
WITH next AS (
    SELECT match_id FROM matches
    WHERE ended_at IS NOT NULL AND NOT tallied
    ORDER BY ended_at, match_id COLLATE "C" LIMIT $1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE matches SET tallied = true FROM next
    WHERE matches.match_id = next.match_id
    RETURNING matches.match_id, game, mode, ended_at
)
SELECT match_id, game, mode, round(extract(epoch FROM ended_at) * 1000)::bigint AS ended_at_ms,
       player_id AS player, place, score
FROM claimed LEFT JOIN results USING (match_id)

-- name: sightings
-- When players of these matches came and left, and by what name, as far as it is still known.
SELECT player, round(extract(epoch FROM at) * 1000)::bigint AS at_ms,
       CASE kind WHEN 'player_joined' THEN data->>'name' END AS name,
       match_id || '/' || seq AS event
FROM events
WHERE kind IN ('player_joined', 'player_left') AND player IS NOT NULL
      AND match_id = ANY ($1::text[])
UNION ALL
SELECT player_id, round(extract(epoch FROM seen.at) * 1000)::bigint, seen.name,
       match_id || '/' || joined_seq
FROM participants, LATERAL (VALUES (joined_at, name), (left_at, NULL)) AS seen (at, name)
WHERE seen.at IS NOT NULL AND match_id = ANY ($1::text[])

-- name: merge_players
-- The latest join says the name, and which it was. Locks the players until the transaction ends, in their order.
INSERT INTO players AS stored
    (player_id, name, named_at, first_seen, last_seen, matches, named_by)
SELECT player_id, name, to_timestamp(named_at_ms / 1000.0), to_timestamp(first_seen_ms / 1000.0),
       to_timestamp(last_seen_ms / 1000.0), matches, named_by
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::text[])
     AS given (player_id, name, named_at_ms, first_seen_ms, last_seen_ms, matches, named_by)
ON CONFLICT (player_id) DO UPDATE SET
    name = CASE WHEN stored.named_at IS NULL
                     OR (excluded.named_at, excluded.named_by COLLATE "C")
                        > (stored.named_at, coalesce(stored.named_by, '') COLLATE "C")
                THEN excluded.name ELSE stored.name END,
    named_by = CASE WHEN stored.named_at IS NULL
                         OR (excluded.named_at, excluded.named_by COLLATE "C")
                            > (stored.named_at, coalesce(stored.named_by, '') COLLATE "C")
                    THEN excluded.named_by ELSE stored.named_by END,
    named_at = greatest(stored.named_at, excluded.named_at),
    first_seen = least(stored.first_seen, excluded.first_seen),
    last_seen = greatest(stored.last_seen, excluded.last_seen),
    matches = stored.matches + excluded.matches

-- name: ratings
-- The ratings of players who are locked.
SELECT player_id, game, mode, mu, sigma
FROM ratings
JOIN unnest($1::text[], $2::text[], $3::text[]) AS given (player_id, game, mode)
     USING (player_id, game, mode)

-- name: merge_ratings
-- Ratings after the matches of this transaction, and how many those were.
INSERT INTO ratings AS stored (player_id, game, mode, mu, sigma, matches)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::double precision[],
                     $5::double precision[], $6::bigint[])
ON CONFLICT (player_id, game, mode) DO UPDATE SET
    mu = excluded.mu,
    sigma = excluded.sigma,
    matches = stored.matches + excluded.matches

-- name: insert_rating_changes
-- What each match did, numbered in the order given.
INSERT INTO rating_changes
    (match_id, player_id, game, mode, place, mu_before, sigma_before, mu_after, sigma_after)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[],
                     $6::double precision[], $7::double precision[],
                     $8::double precision[], $9::double precision[])

-- name: add_boards
-- The boards that are not there yet.
INSERT INTO boards (game, mode, span, period)
SELECT DISTINCT game, mode, span, period
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (game, mode, span, period)
WHERE NOT EXISTS (
    SELECT FROM boards
    WHERE (boards.game, boards.mode, boards.span, boards.period)
          = (given.game, given.mode, given.span, given.period))
ORDER BY game, mode, span, period
ON CONFLICT DO NOTHING

-- name: merge_scores
-- Add gains to points, or keep the better ($8); move the players between buckets and bands.
WITH listed AS (
    SELECT number, board_id
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
         WITH ORDINALITY AS given (game, mode, span, period, number)
    JOIN boards USING (game, mode, span, period)
), given AS (
    SELECT board_id, player_id, gain
    FROM unnest($5::bigint[], $6::text[], $7::bigint[]) AS given (number, player_id, gain)
    JOIN listed USING (number)
), moved AS (
    INSERT INTO board_scores AS stored (board_id, player_id, points)
    SELECT board_id, player_id, gain FROM given ORDER BY board_id, player_id COLLATE "C"
    ON CONFLICT (board_id, player_id) DO UPDATE SET
        previous = stored.points,
        points = CASE WHEN $8::boolean THEN excluded.points
                      ELSE greatest(-9007199254740991,
                                    least(9007199254740991, stored.points + excluded.points)) END
    WHERE NOT $8::boolean OR excluded.points > stored.points
    RETURNING board_id, previous, points
), net AS (
    SELECT board_id, bucket, sum(change) AS players
    FROM (SELECT board_id, board_bucket(points) AS bucket, 1 AS change FROM moved
          UNION ALL
          SELECT board_id, board_bucket(previous), -1 FROM moved WHERE previous IS NOT NULL) AS changes
    GROUP BY board_id, bucket
    HAVING sum(change) <> 0
), buckets AS (
    INSERT INTO board_buckets AS stored (board_id, bucket, players)
    SELECT board_id, bucket, players FROM net ORDER BY board_id, bucket
    ON CONFLICT (board_id, bucket) DO UPDATE SET players = stored.players + excluded.players
)
INSERT INTO board_bands AS stored (board_id, band, players)
SELECT board_id, bucket >> 7, sum(players) FROM net
GROUP BY board_id, bucket >> 7
HAVING sum(players) <> 0
ORDER BY board_id, bucket >> 7
ON CONFLICT (board_id, band) DO UPDATE SET players = stored.players + excluded.players

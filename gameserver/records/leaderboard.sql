-- Reading boards. $1 to $4 name the board: game, mode, span, period. Equal points share a rank;
-- among equals the later player id stands first. Names are as they were stored: sealed, mostly.

-- name: board_rank
-- One player's place.
SELECT player_id AS player, name, named_by, points, board_rank(board_id, points) AS rank
FROM board_scores LEFT JOIN players USING (player_id)
WHERE board_id = (SELECT board_id FROM boards
                  WHERE (game, mode, span, period) = ($1, $2, $3, $4))
      AND player_id = $5

-- name: board_around
-- A player with up to $6 places above and below. Only two ranks are looked up: of the first
-- points listed, whose ties may lie outside, and of the second; the others follow by counting.
WITH own AS MATERIALIZED (
    SELECT board_id, player_id, points FROM board_scores
    WHERE board_id = (SELECT board_id FROM boards
                      WHERE (game, mode, span, period) = ($1, $2, $3, $4))
          AND player_id = $5
), listed AS MATERIALIZED (
    SELECT * FROM own
    UNION ALL
    SELECT above.* FROM own, LATERAL (
        SELECT board_id, player_id, points FROM board_scores AS other
        WHERE other.board_id = own.board_id
              AND (other.points, other.player_id) > (own.points, own.player_id)
        ORDER BY points, player_id LIMIT $6) AS above
    UNION ALL
    SELECT below.* FROM own, LATERAL (
        SELECT board_id, player_id, points FROM board_scores AS other
        WHERE other.board_id = own.board_id
              AND (other.points, other.player_id) < (own.points, own.player_id)
        ORDER BY points DESC, player_id DESC LIMIT $6) AS below
), firsts AS (
    SELECT board_id, first, (SELECT max(points) FROM listed WHERE points < first) AS second
    FROM (SELECT board_id, max(points) AS first FROM listed GROUP BY board_id) AS found
), ranks AS MATERIALIZED (
    SELECT first, board_rank(board_id, first) AS of_first, board_rank(board_id, second) AS of_second
    FROM firsts
)
SELECT player_id AS player, name, named_by, points,
       CASE WHEN points = first THEN of_first
            ELSE of_second - 1 + rank() OVER (ORDER BY points DESC)
                 - count(*) FILTER (WHERE points = first) OVER () END AS rank
FROM listed CROSS JOIN ranks LEFT JOIN players USING (player_id)
ORDER BY points DESC, player_id DESC

-- name: board_top
-- $5 places after the first $6. The counts say which band and bucket the first of them is in, so
-- that only a bucket's players are passed over.
WITH board AS (
    SELECT board_id FROM boards WHERE (game, mode, span, period) = ($1, $2, $3, $4)
), band AS (
    SELECT board_id, band, above FROM (
        SELECT board_id, band, sum(players) OVER (ORDER BY band DESC) - players AS above
        FROM board_bands WHERE board_id = (SELECT board_id FROM board) AND players > 0) AS bands
    WHERE above <= $6 ORDER BY band LIMIT 1
), bucket AS MATERIALIZED (
    SELECT board_id, bucket, above FROM (
        SELECT board_id, bucket,
               band.above + sum(players) OVER (ORDER BY bucket DESC) - players AS above
        FROM band JOIN board_buckets USING (board_id)
        WHERE bucket >= band << 7 AND bucket < (band + 1) << 7 AND players > 0) AS buckets
    WHERE above <= $6 ORDER BY bucket LIMIT 1
), listed AS MATERIALIZED (
    SELECT board_id, player_id, points FROM board_scores
    WHERE board_id = (SELECT board_id FROM bucket)
          AND points < (SELECT board_bucket_floor(bucket + 1) FROM bucket)
    ORDER BY board_id DESC, points DESC, player_id DESC
    LIMIT $5 OFFSET (SELECT $6 - above FROM bucket)
), firsts AS (
    SELECT board_id, first, (SELECT max(points) FROM listed WHERE points < first) AS second
    FROM (SELECT board_id, max(points) AS first FROM listed GROUP BY board_id) AS found
), ranks AS MATERIALIZED (
    SELECT first, board_rank(board_id, first) AS of_first, board_rank(board_id, second) AS of_second
    FROM firsts
)
SELECT player_id AS player, name, named_by, points,
       CASE WHEN points = first THEN of_first
            ELSE of_second - 1 + rank() OVER (ORDER BY points DESC)
                 - count(*) FILTER (WHERE points = first) OVER () END AS rank
FROM listed CROSS JOIN ranks LEFT JOIN players USING (player_id)
ORDER BY points DESC, player_id DESC

-- name: board_size
-- How many players a board has.
SELECT coalesce(sum(players), 0)::bigint AS players FROM board_bands
WHERE board_id = (SELECT board_id FROM boards
                  WHERE (game, mode, span, period) = ($1, $2, $3, $4))

-- What the worker states besides events: parked letters, discarded ones, who is alive.

-- name: park
-- Park letters, each once: the same body again is the same row, with what is newest about it.
INSERT INTO parked_events AS stored
    (id, body, attributes, reason, detail, redrives, first_at, last_at, schema, bytes,
     events, matches, games)
SELECT id, body, attributes, reason, detail, redrives,
       to_timestamp(sent_at_ms / 1000.0), to_timestamp(sent_at_ms / 1000.0),
       coalesce((SELECT max(version_num) FROM alembic_version), ''), bytes,
       ARRAY(SELECT jsonb_array_elements_text(events)),
       ARRAY(SELECT jsonb_array_elements_text(matches)),
       ARRAY(SELECT jsonb_array_elements_text(games))
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::integer[],
            $7::bigint[], $8::integer[], $9::jsonb[], $10::jsonb[], $11::jsonb[])
     AS given (id, body, attributes, reason, detail, redrives, sent_at_ms, bytes,
               events, matches, games)
ON CONFLICT (id) DO UPDATE SET
    attributes = excluded.attributes,
    reason = excluded.reason,
    detail = excluded.detail,
    redrives = greatest(stored.redrives, excluded.redrives),
    first_at = least(stored.first_at, excluded.first_at),
    last_at = greatest(stored.last_at, excluded.last_at),
    schema = excluded.schema
WHERE excluded.last_at > stored.last_at

-- name: parked_letters
-- Parked letters that are selected, oldest first; null selects all.
SELECT id, reason, detail, (extract(epoch FROM last_at) * 1000)::bigint AS sent_at_ms, redrives,
       bytes, events, matches, games
FROM parked_events
WHERE ($1::text IS NULL OR id = $1)
  AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR $3 = ANY (matches))
  AND ($4::text IS NULL OR $4 = ANY (games))
  AND ($5::bigint IS NULL OR last_at >= to_timestamp($5::bigint / 1000.0))
  AND ($6::bigint IS NULL OR last_at <= to_timestamp($6::bigint / 1000.0))
ORDER BY last_at, id
LIMIT $7

-- name: parked_body
-- One parked letter whole.
SELECT body, attributes, redrives, last_at, first_at, parked_at, schema
FROM parked_events
WHERE id = $1

-- name: unpark
-- Forget a letter that was sent back, unless it has been parked anew meanwhile.
DELETE FROM parked_events WHERE id = $1 AND last_at = $2

-- name: parked_for_older_schema
-- Ids of letters that PostgreSQL refused under another schema than today's.
SELECT id
FROM parked_events
WHERE reason = 'rejected' AND schema <> (SELECT max(version_num) FROM alembic_version)
ORDER BY last_at, id
LIMIT $1

-- name: parked_counts
-- How many are parked, by reason and games.
SELECT reason, games, count(*) AS letters,
       (extract(epoch FROM min(last_at)) * 1000)::bigint AS oldest_ms
FROM parked_events
GROUP BY reason, games
ORDER BY reason, games

-- name: note_discarded
-- Say who throws which letter away, and why.
INSERT INTO discarded_letters
    (who, why, place, letter_id, body_id, reason, detail, redrives, bytes, events)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: discard_parked
-- Throw a parked letter away.
DELETE FROM parked_events WHERE id = $1

-- name: keys_to_rewrap
-- The next $4 data keys after $1 that were wrapped before $2, and not under the KMS key $3.
SELECT key_id, wrapped FROM data_keys
WHERE key_id > $1 AND wrapped_at < $2 AND kms_key IS DISTINCT FROM $3
ORDER BY key_id LIMIT $4

-- name: rewrap_key
-- A data key wrapped anew.
UPDATE data_keys SET wrapped = $2, kms_key = $3, wrapped_at = now() WHERE key_id = $1

-- name: beat
-- Say that a worker lives.
INSERT INTO workers (worker_id) VALUES ($1)
ON CONFLICT (worker_id) DO UPDATE SET seen_at = now()

-- name: forget_workers
-- Drop those that have been silent for long.
DELETE FROM workers WHERE seen_at < now() - make_interval(secs => $1)

-- name: forget_worker
-- A worker ends.
DELETE FROM workers WHERE worker_id = $1

-- name: live_workers
-- How many have been heard of lately.
SELECT count(*) FROM workers WHERE seen_at >= now() - make_interval(secs => $1)

-- name: take_duty
-- Take or renew a duty, unless another worker has it; a row says that it is ours.
INSERT INTO duties AS held (name, worker_id, until)
VALUES ($1, $2, now() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET worker_id = excluded.worker_id, until = excluded.until
WHERE held.worker_id = excluded.worker_id OR held.until < now()
RETURNING name

-- name: leave_duty
-- Let another take it at once.
DELETE FROM duties WHERE name = $1 AND worker_id = $2

-- name: recording
-- The next pieces of a match's recording.
SELECT match_id, number, epoch, game, mode, version, first_tick, end_tick, event_seq,
       (extract(epoch FROM at) * 1000)::bigint AS at_ms, revived, more, state_digest, ended,
       setup, body
FROM recordings
WHERE match_id = $1 AND number > $2
ORDER BY number
LIMIT $3

-- name: drop_erased_recordings
-- Drop pieces of matches in which somebody took part who was erased.
DELETE FROM recordings
WHERE (match_id, number) IN (
    SELECT match_id, number
    FROM erased_players
    JOIN participants ON participants.player_id = erased_players.pseudonym
    JOIN recordings USING (match_id)
    LIMIT $1
)

-- name: drop_old_recordings
-- Drop pieces that were stored so many seconds ago, the oldest first.
DELETE FROM recordings
WHERE (match_id, number) IN (
    SELECT match_id, number
    FROM recordings
    WHERE stored_at < now() - make_interval(secs => $1)
    ORDER BY stored_at
    LIMIT $2
)

-- name: take_order
-- The oldest order that nobody has taken, if it is not too old to be wanted; it is ours.
UPDATE letter_orders SET taken_at = now()
WHERE order_id = (SELECT order_id FROM letter_orders
                  WHERE taken_at IS NULL AND asked_at > now() - make_interval(secs => $1)
                  ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING order_id, verb, given::text AS given, who, why

-- name: finish_order
-- What came of an order.
UPDATE letter_orders SET done_at = now(), answer = $2::jsonb, failure = $3 WHERE order_id = $1

-- name: give_orders_up
-- Orders that were not taken within $1 s, or not done within $2 s.
UPDATE letter_orders
SET done_at = now(), taken_at = coalesce(taken_at, now()),
    failure = CASE WHEN taken_at IS NULL THEN 'no worker took it in time'
                   ELSE 'the worker ended before it was done; look at the letters again' END
WHERE done_at IS NULL AND (taken_at IS NULL AND asked_at < now() - make_interval(secs => $1)
                           OR taken_at < now() - make_interval(secs => $2))

-- name: forget_answers
-- Answers and orders that only look, $1 s after they were asked; all others after $2 s.
WITH gone AS (
    DELETE FROM letter_orders
    WHERE asked_at < now() - make_interval(secs => $1)
      AND (verb IN ('list', 'show') OR asked_at < now() - make_interval(secs => $2))
)
UPDATE letter_orders SET answer = NULL
WHERE answer IS NOT NULL AND asked_at < now() - make_interval(secs => $1)

-- name: note_queues
-- A sample of the queues; of several workers' in one moment the greatest age.
INSERT INTO queue_samples AS known
    (at, workers, visible, held, delayed, dead_letters, parked, oldest_age_s)
VALUES (to_timestamp(floor(extract(epoch FROM now()) / $1::integer) * $1::integer),
        $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (at) DO UPDATE SET oldest_age_s = greatest(known.oldest_age_s, excluded.oldest_age_s)

-- name: forget_queues
-- Samples that are older than an hour.
DELETE FROM queue_samples WHERE at < now() - interval '1 hour'

-- The worker's statements. Each is named, takes one array per column, and does one thing.

-- name: any_erased
-- Whether any player was ever erased.
SELECT EXISTS (SELECT FROM erased_players)

-- name: erased_among
-- Which of these pseudonyms are in use.
SELECT pseudonym FROM erased_players WHERE pseudonym = ANY ($1::text[])

-- name: insert_data_keys
-- The data keys that are not there yet, wrapped.
INSERT INTO data_keys (key_id, wrapped)
SELECT key_id, wrapped FROM unnest($1::text[], $2::bytea[]) AS given (key_id, wrapped)
ON CONFLICT (key_id) DO NOTHING

-- name: insert_events
-- Store the events that are not there yet and say which those are.
INSERT INTO events
    (match_id, seq, kind, player, game, mode, epoch, tick, at, data, digest)
SELECT match_id, seq, kind, player, game, mode, epoch, tick,
       to_timestamp(at_ms / 1000.0), data, digest
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::bigint[], $8::bigint[], $9::bigint[], $10::jsonb[], $11::bytea[])
     AS given (match_id, seq, kind, player, game, mode, epoch, tick, at_ms, data, digest)
ON CONFLICT (match_id, seq) DO NOTHING
RETURNING match_id, seq

-- name: stored_digests
-- What is stored under ids that were not new.
SELECT match_id, seq, digest
FROM events
JOIN unnest($1::text[], $2::bigint[]) AS given (match_id, seq) USING (match_id, seq)

-- name: insert_chunks
-- Store the pieces of recordings that are not there yet and say which those are.
INSERT INTO recordings
    (match_id, number, epoch, game, mode, version, first_tick, end_tick, event_seq, at, revived,
     more, state_digest, ended, setup, body, digest)
SELECT match_id, number, epoch, game, mode, version, first_tick, end_tick, event_seq,
       to_timestamp(at_ms / 1000.0), revived, more, state_digest, ended, setup, body, digest
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::integer[],
            $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[],
            $12::boolean[], $13::bytea[], $14::text[], $15::jsonb[], $16::bytea[], $17::bytea[])
     AS given (match_id, number, epoch, game, mode, version, first_tick, end_tick, event_seq,
               at_ms, revived, more, state_digest, ended, setup, body, digest)
ON CONFLICT (match_id, number) DO NOTHING
RETURNING match_id, number

-- name: stored_chunk_digests
-- What is stored of pieces that were not new.
SELECT match_id, number, digest
FROM recordings
JOIN unnest($1::text[], $2::bigint[]) AS given (match_id, number) USING (match_id, number)

-- name: merge_matches
-- Start and end fill their own columns; what is there stays.
INSERT INTO matches AS stored
    (match_id, game, mode, started_at, players_max, ended_at, reason, ticks, duration_ms, result)
SELECT match_id, game, mode, to_timestamp(started_at_ms / 1000.0), players_max,
       to_timestamp(ended_at_ms / 1000.0), reason, ticks, duration_ms, result
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::integer[],
            $6::bigint[], $7::text[], $8::bigint[], $9::bigint[], $10::jsonb[])
     AS given (match_id, game, mode, started_at_ms, players_max,
               ended_at_ms, reason, ticks, duration_ms, result)
ON CONFLICT (match_id) DO UPDATE SET
    started_at = coalesce(stored.started_at, excluded.started_at),
    players_max = coalesce(stored.players_max, excluded.players_max),
    ended_at = coalesce(stored.ended_at, excluded.ended_at),
    reason = coalesce(stored.reason, excluded.reason),
    ticks = coalesce(stored.ticks, excluded.ticks),
    duration_ms = coalesce(stored.duration_ms, excluded.duration_ms),
    result = coalesce(stored.result, excluded.result)

-- name: merge_participants
-- The highest seq says seat and leaving, the highest joining seq the name, the first join its time.
INSERT INTO participants AS stored
    (match_id, player_id, seat, last_seq, name, joined_seq, joined_at, left_at, leave_reason)
SELECT match_id, player_id, seat, last_seq, name, joined_seq,
       to_timestamp(joined_at_ms / 1000.0), to_timestamp(left_at_ms / 1000.0), leave_reason
FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::bigint[],
            $7::bigint[], $8::bigint[], $9::text[])
     AS given (match_id, player_id, seat, last_seq, name, joined_seq,
               joined_at_ms, left_at_ms, leave_reason)
ON CONFLICT (match_id, player_id) DO UPDATE SET
    seat = CASE WHEN excluded.last_seq > stored.last_seq
                THEN excluded.seat ELSE stored.seat END,
    left_at = CASE WHEN excluded.last_seq > stored.last_seq
                   THEN excluded.left_at ELSE stored.left_at END,
    leave_reason = CASE WHEN excluded.last_seq > stored.last_seq
                        THEN excluded.leave_reason ELSE stored.leave_reason END,
    last_seq = greatest(stored.last_seq, excluded.last_seq),
    name = CASE WHEN excluded.joined_seq > coalesce(stored.joined_seq, 0)
                THEN excluded.name ELSE stored.name END,
    joined_seq = greatest(stored.joined_seq, excluded.joined_seq),
    joined_at = least(stored.joined_at, excluded.joined_at)

-- name: merge_results
-- Places of a match that has ended; what is there stays.
INSERT INTO results (match_id, player_id, place, score)
SELECT match_id, player_id, place, score
FROM unnest($1::text[], $2::text[], $3::integer[], $4::double precision[])
     AS given (match_id, player_id, place, score)
ON CONFLICT (match_id, player_id) DO NOTHING

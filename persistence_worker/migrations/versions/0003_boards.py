"""Events in partitions by time, and what is told of players: ratings and leaderboards.

``events`` is partitioned by ranges of ``match_id``. A match's id is a ULID, so that it sorts by the
time at which the match began, and the primary key ``(match_id, seq)`` holds the partition's key as
it must: an event's id is unique in the whole table, whatever its ``at`` says. What was stored
before becomes the first partition as it is. While the key's index is built anew (it has to sort
by bytes) workers wait; the queue holds the events.

Workers of revisions 0001 and 0002 go on working: all their statements mean the same here. What they
do not tell (``tallied`` stays false) is caught up by ``python -m persistence_worker maintain``.

Revision: 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EVENT_COLUMNS = """
        match_id   text {collate} NOT NULL,
        seq        bigint      NOT NULL,
        kind       text        NOT NULL,
        player     text,
        game       text        NOT NULL,
        mode       text        NOT NULL,
        epoch      bigint      NOT NULL,
        tick       bigint      NOT NULL,
        at         timestamptz NOT NULL,
        data       jsonb       NOT NULL,
        digest     bytea       NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (match_id, seq)
"""

COMMENTS = (
    """
    COMMENT ON TABLE events IS
        'Key events as the game servers stated them; (match_id, seq) names one fact for ever.'
    """,
    """
    COMMENT ON COLUMN events.digest IS
        'Of the whole record: tells a repetition from another content under the same id.'
    """,
)

# Workers lock rows in this order too; any other order would be a deadlock with them.
LOCK = "LOCK TABLE events, matches IN ACCESS EXCLUSIVE MODE"
LOCK_NEW = (
    "LOCK TABLE players, ratings, rating_changes, boards, board_scores, board_buckets, board_bands "
    "IN ACCESS EXCLUSIVE MODE"
)

PARTITIONS = (
    LOCK,
    """
    CREATE FUNCTION match_id_floor(at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
                                 ((ms >> shift) & 31)::integer + 1, 1), '' ORDER BY shift DESC)
        FROM (SELECT floor(extract(epoch FROM at) * 1000)::bigint AS ms) AS time,
             generate_series(0, 45, 5) AS shift
    $$
    """,
    """
    COMMENT ON FUNCTION match_id_floor IS
        'What the ids of matches that began at this time, or later, are not below (ULID): a '
        'condition match_id >= match_id_floor(at) leaves out older partitions.'
    """,
    "ALTER TABLE events RENAME TO events_first",
    "ALTER INDEX events_pkey RENAME TO events_first_pkey",
    "ALTER INDEX events_player RENAME TO events_first_player",
    'ALTER TABLE events_first ALTER COLUMN match_id TYPE text COLLATE "C"',
    f"""
    CREATE TABLE events ({EVENT_COLUMNS.format(collate='COLLATE "C"')})
    PARTITION BY RANGE (match_id)
    """,
    *COMMENTS,
    "CREATE INDEX events_player ON events (player, at) WHERE player IS NOT NULL",
    "CREATE TABLE events_other PARTITION OF events DEFAULT",
    """
    COMMENT ON TABLE events_other IS
        'Events whose match id lies in no other partition; they go by the time they were applied.'
    """,
    """
    DO $$
    DECLARE
        upper text := match_id_floor(
            date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 month');
    BEGIN
        -- Ids that are no ULIDs of this time.
        WITH moved AS (DELETE FROM events_first WHERE match_id >= upper RETURNING *)
        INSERT INTO events_other SELECT * FROM moved;
        EXECUTE format(
            'ALTER TABLE events ATTACH PARTITION events_first FOR VALUES FROM (MINVALUE) TO (%L)',
            upper);
    END $$
    """,
)

PLAYERS = (
    "ALTER TABLE matches ADD COLUMN tallied boolean NOT NULL DEFAULT false",
    """
    COMMENT ON COLUMN matches.tallied IS
        'Whether its result is counted in players, ratings and boards. Set in the transaction '
        'that counts it, so that it happens once.'
    """,
    """
    CREATE INDEX matches_untallied ON matches (ended_at, match_id COLLATE "C")
    WHERE ended_at IS NOT NULL AND NOT tallied
    """,
    """
    CREATE TABLE players (
        player_id  text COLLATE "C" PRIMARY KEY,
        name       text,
        named_at   timestamptz,
        first_seen timestamptz NOT NULL,
        last_seen  timestamptz NOT NULL,
        matches    bigint      NOT NULL
    ) WITH (fillfactor = 80)
    """,
    """
    COMMENT ON TABLE players IS
        'matches counts those that ended with a place for the player. The row is also the lock of '
        'all that is told of the player: taken first, in the order of ids.'
    """,
    """
    CREATE TABLE ratings (
        player_id text COLLATE "C" NOT NULL,
        game      text             NOT NULL,
        mode      text             NOT NULL,
        mu        double precision NOT NULL,
        sigma     double precision NOT NULL,
        matches   bigint           NOT NULL,
        PRIMARY KEY (player_id, game, mode)
    ) WITH (fillfactor = 80)
    """,
    """
    COMMENT ON TABLE ratings IS
        'Plackett-Luce after Weng and Lin: skill is mu, give or take sigma; sort by mu - 3 sigma.'
    """,
    """
    CREATE TABLE rating_changes (
        match_id     text             NOT NULL,
        player_id    text COLLATE "C" NOT NULL,
        game         text             NOT NULL,
        mode         text             NOT NULL,
        number       bigint GENERATED ALWAYS AS IDENTITY,
        place        integer          NOT NULL,
        mu_before    double precision NOT NULL,
        sigma_before double precision NOT NULL,
        mu_after     double precision NOT NULL,
        sigma_after  double precision NOT NULL,
        PRIMARY KEY (match_id, player_id)
    )
    """,
    """
    COMMENT ON COLUMN rating_changes.number IS
        'Of two changes of a player the higher number came later, and began where the other ended.'
    """,
    "CREATE INDEX rating_changes_player ON rating_changes (player_id, game, mode, number)",
)

BOARDS = (
    """
    CREATE TABLE boards (
        board_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        game     text NOT NULL,
        mode     text NOT NULL,
        span     text NOT NULL CHECK (span IN ('all', 'season', 'day')),
        period   text NOT NULL,
        UNIQUE (game, mode, span, period)
    )
    """,
    """
    COMMENT ON COLUMN boards.period IS
        'Empty for all time, the season''s name, or the day (UTC) as 2026-11-25.'
    """,
    """
    CREATE TABLE board_scores (
        board_id  bigint NOT NULL,
        player_id text COLLATE "C" NOT NULL,
        points    bigint NOT NULL,
        previous  bigint,
        PRIMARY KEY (board_id, player_id)
    )
    """,
    """
    COMMENT ON COLUMN board_scores.points IS
        'Thousandths of a score, so that sums are exact and their order does not matter.'
    """,
    """
    COMMENT ON COLUMN board_scores.previous IS
        'points before the last change, from which the counts below are moved.'
    """,
    "CREATE INDEX board_scores_order ON board_scores (board_id, points, player_id)",
    """
    CREATE TABLE board_buckets (
        board_id bigint  NOT NULL,
        bucket   integer NOT NULL,
        players  bigint  NOT NULL,
        PRIMARY KEY (board_id, bucket)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE board_bands (
        board_id bigint  NOT NULL,
        band     integer NOT NULL,
        players  bigint  NOT NULL,
        PRIMARY KEY (board_id, band)
    ) WITH (fillfactor = 50)
    """,
    """
    COMMENT ON TABLE board_buckets IS
        'How many players of a board have points in a bucket, see board_bucket(). A band is 128 '
        'buckets. Both are changed in the transaction that changes the points.'
    """,
    # The upper 24 bits of a positive float8 are its exponent and 13 bits of its mantissa, and
    # sort as the number does. Points are below 2^53, which float8 holds exactly.
    """
    CREATE FUNCTION board_bucket(points bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT CASE
            WHEN points > 0 THEN
                (('x' || encode(float8send(points::float8), 'hex'))::bit(64)::bigint >> 39)::integer
                - 8380415
            WHEN points IN (0, -1) THEN points::integer
            ELSE
                8380414
                - (('x' || encode(float8send((-1 - points)::float8), 'hex'))::bit(64)::bigint >> 39
                  )::integer
        END
    $$
    """,
    """
    COMMENT ON FUNCTION board_bucket IS
        'Rises with the points: up to 16384 one bucket a number, then 8192 for each doubling.'
    """,
    """
    CREATE FUNCTION board_bucket_floor(bucket integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT CASE WHEN bucket = 0 THEN 0 ELSE
            sign(bucket)::bigint
            * ceil(power(2::float8, ((abs(bucket) + 8380415) >> 13) - 1036)
                   * (8192 + ((abs(bucket) + 8380415) & 8191)))::bigint
        END
    $$
    """,
    "COMMENT ON FUNCTION board_bucket_floor IS 'The least points that belong to a bucket.'",
    """
    CREATE FUNCTION board_rank(board bigint, score bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
    DECLARE
        own  constant integer := board_bucket(score);
        next constant integer := ((own >> 7) + 1) << 7;
        roof constant bigint  := board_bucket_floor(own + 1);
    BEGIN
        RETURN 1
            + (SELECT coalesce(sum(players), 0) FROM board_bands
               WHERE board_id = board AND band > own >> 7)
            + (SELECT coalesce(sum(players), 0) FROM board_buckets
               WHERE board_id = board AND bucket > own AND bucket < next)
            + (SELECT count(*) FROM board_scores
               WHERE board_id = board AND points > score AND points < roof);
    END $$
    """,
    """
    COMMENT ON FUNCTION board_rank IS
        '1 + the players of a board with more points: bands above, buckets above in the own band, '
        'and only within the own bucket the players themselves.'
    """,
)

DOWNGRADE = (
    LOCK,
    LOCK_NEW,
    "DROP FUNCTION board_rank, board_bucket_floor, board_bucket",
    "DROP TABLE board_bands, board_buckets, board_scores, boards",
    "DROP TABLE rating_changes, ratings, players",
    "ALTER TABLE matches DROP COLUMN tallied",
    "ALTER TABLE events RENAME TO events_partitioned",
    "ALTER INDEX events_pkey RENAME TO events_partitioned_pkey",
    "ALTER INDEX events_player RENAME TO events_partitioned_player",
    f"CREATE TABLE events ({EVENT_COLUMNS.format(collate='')})",
    *COMMENTS,
    "INSERT INTO events SELECT * FROM events_partitioned",
    "DROP TABLE events_partitioned",
    "CREATE INDEX events_player ON events (player, at) WHERE player IS NOT NULL",
    "DROP FUNCTION match_id_floor",
)


def upgrade() -> None:
    """Put the events into partitions and create the new tables, empty."""
    for statement in PARTITIONS + PLAYERS + BOARDS:
        op.execute(statement)


def downgrade() -> None:
    """Copy the events back into one table; drop players, ratings and boards."""
    for statement in DOWNGRADE:
        op.execute(statement)

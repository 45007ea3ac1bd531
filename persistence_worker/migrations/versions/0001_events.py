"""Events, and what is told from them: matches, participants, results.

There are no foreign keys between the tables: events come in any order and in several transactions,
so that a participant may be stored before the match that it belongs to.

Revision: 0001, the first.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE events (
        match_id   text        NOT NULL,
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
    )
    """,
    """
    COMMENT ON TABLE events IS
        'Key events as the game servers stated them; (match_id, seq) names one fact for ever.'
    """,
    """
    COMMENT ON COLUMN events.digest IS
        'Of the whole record: tells a repetition from another content under the same id.'
    """,
    "CREATE INDEX events_player ON events (player, at) WHERE player IS NOT NULL",
    """
    CREATE TABLE matches (
        match_id    text PRIMARY KEY,
        game        text NOT NULL,
        mode        text NOT NULL,
        players_max integer,
        started_at  timestamptz,
        ended_at    timestamptz,
        reason      text,
        ticks       bigint,
        duration_ms bigint,
        result      jsonb
    )
    """,
    """
    COMMENT ON TABLE matches IS
        'One row for each match that has started or ended; ended_at is null while it runs.'
    """,
    "CREATE INDEX matches_game ON matches (game, mode, started_at)",
    """
    CREATE TABLE participants (
        match_id     text    NOT NULL,
        player_id    text    NOT NULL,
        seat         integer NOT NULL,
        name         text,
        joined_at    timestamptz,
        left_at      timestamptz,
        leave_reason text,
        joined_seq   bigint,
        last_seq     bigint  NOT NULL,
        PRIMARY KEY (match_id, player_id)
    )
    """,
    """
    COMMENT ON TABLE participants IS
        'left_at is null for who stayed, or came back. joined_seq and last_seq are the events '
        'that the name, and seat and leaving, were taken from: a later one wins, whenever it comes.'
    """,
    "CREATE INDEX participants_player ON participants (player_id, joined_at)",
    """
    CREATE TABLE results (
        match_id  text             NOT NULL,
        player_id text             NOT NULL,
        place     integer          NOT NULL,
        score     double precision NOT NULL,
        PRIMARY KEY (match_id, player_id)
    )
    """,
    "CREATE INDEX results_player ON results (player_id)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables and all that is in them."""
    op.execute("DROP TABLE results, participants, matches, events")

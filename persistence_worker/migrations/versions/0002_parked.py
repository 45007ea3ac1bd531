"""Parked events, who discarded what, and the workers that are alive.

Revision: 0002, after 0001.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE parked_events (
        id         text        PRIMARY KEY,
        body       text        NOT NULL,
        attributes jsonb       NOT NULL,
        reason     text        NOT NULL,
        detail     text        NOT NULL,
        redrives   integer     NOT NULL,
        first_at   timestamptz NOT NULL,
        last_at    timestamptz NOT NULL,
        parked_at  timestamptz NOT NULL DEFAULT now(),
        schema     text        NOT NULL,
        bytes      integer     NOT NULL,
        events     text[]      NOT NULL,
        matches    text[]      NOT NULL,
        games      text[]      NOT NULL
    )
    """,
    """
    COMMENT ON TABLE parked_events IS
        'Dead letters that are not sent back by themselves any more. The body is a bundle that can '
        'be sent to the queue as it is; id is its digest.'
    """,
    """
    COMMENT ON COLUMN parked_events.last_at IS
        'When it became a dead letter for the last time; first_at: for the first time known here.'
    """,
    """
    COMMENT ON COLUMN parked_events.schema IS
        'The revision of the schema when it was parked: what was rejected under an older one is '
        'tried again.'
    """,
    "CREATE INDEX parked_events_reason ON parked_events (reason, last_at)",
    """
    CREATE TABLE discarded_letters (
        number    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at        timestamptz NOT NULL DEFAULT now(),
        who       text        NOT NULL,
        why       text        NOT NULL,
        place     text        NOT NULL,
        letter_id text        NOT NULL,
        body_id   text        NOT NULL,
        reason    text        NOT NULL,
        detail    text        NOT NULL,
        redrives  integer     NOT NULL,
        bytes     integer     NOT NULL,
        events    text[]      NOT NULL
    )
    """,
    """
    COMMENT ON TABLE discarded_letters IS
        'Who threw which dead letter away, when and why; written before it goes. The body is gone, '
        'body_id is its digest.'
    """,
    """
    CREATE TABLE workers (
        worker_id  text        PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now(),
        seen_at    timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    COMMENT ON TABLE workers IS
        'A row a persistence worker, which says every few seconds that it lives.'
    """,
    """
    CREATE TABLE duties (
        name      text        PRIMARY KEY,
        worker_id text        NOT NULL,
        until     timestamptz NOT NULL
    )
    """,
    """
    COMMENT ON TABLE duties IS
        'What one worker at a time does for all: who, and until when unless it is renewed.'
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables and all that is in them."""
    op.execute("DROP TABLE duties, workers, discarded_letters, parked_events")

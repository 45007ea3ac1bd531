"""Recordings of matches, in pieces.

Revision: 0004, after 0003.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE recordings (
        match_id     text        NOT NULL,
        number       bigint      NOT NULL,
        epoch        bigint      NOT NULL,
        game         text        NOT NULL,
        mode         text        NOT NULL,
        version      integer     NOT NULL,
        first_tick   bigint      NOT NULL,
        end_tick     bigint      NOT NULL,
        event_seq    bigint      NOT NULL,
        at           timestamptz NOT NULL,
        revived      boolean     NOT NULL,
        more         boolean     NOT NULL,
        state_digest bytea       NOT NULL,
        ended        text,
        setup        jsonb,
        body         bytea       NOT NULL,
        digest       bytea       NOT NULL,
        stored_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (match_id, number)
    )
    """,
    # Bodies are deflated already: PostgreSQL need not try again.
    "ALTER TABLE recordings ALTER COLUMN body SET STORAGE EXTERNAL",
    """
    COMMENT ON TABLE recordings IS
        'What matches consumed between two checkpoints, for their replay; (match_id, number) names '
        'one piece for ever. Dropped by the worker after WORKER_RECORDINGS_KEPT_DAYS.'
    """,
    """
    COMMENT ON COLUMN recordings.state_digest IS
        'Of the state at end_tick; digest is that of the whole piece, as with events.'
    """,
    "CREATE INDEX recordings_stored ON recordings (stored_at)",
)


def upgrade() -> None:
    """Create the table."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the table, and with it all recordings."""
    op.execute("DROP TABLE recordings")

"""Orders about dead letters that reach workers through the database, and what workers see.

Workers of the revisions before go on working; orders wait until one of this revision runs.

Revision: 0007, after 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE letter_orders (
        order_id text        PRIMARY KEY,
        verb     text        NOT NULL
                 CHECK (verb IN ('list', 'show', 'redrive', 'park', 'discard')),
        given    jsonb       NOT NULL,
        who      text        NOT NULL,
        why      text        NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT now(),
        taken_at timestamptz,
        done_at  timestamptz,
        answer   jsonb,
        failure  text        NOT NULL DEFAULT ''
    )
    """,
    """
    COMMENT ON TABLE letter_orders IS
        'What operators order of dead letters by way of the server, and what came of it. A worker '
        'takes each once. Answers are kept for minutes, orders that change something for months.'
    """,
    "CREATE INDEX letter_orders_waiting ON letter_orders (asked_at) WHERE taken_at IS NULL",
    """
    CREATE TABLE queue_samples (
        at           timestamptz      PRIMARY KEY,
        workers      integer          NOT NULL,
        visible      integer          NOT NULL,
        held         integer          NOT NULL,
        delayed      integer          NOT NULL,
        dead_letters integer          NOT NULL,
        parked       integer          NOT NULL,
        oldest_age_s double precision NOT NULL
    )
    """,
    """
    COMMENT ON TABLE queue_samples IS
        'What workers see of the queues, every ten seconds for an hour: for people who watch.'
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables and all that is in them."""
    op.execute("DROP TABLE queue_samples, letter_orders")

"""Data keys of sealed fields, and players who have been erased.

Workers of the revisions before go on working: they store records without sealed fields as ever,
and make dead letters of the others, which are applied once the workers are new.

Revision: 0005, after 0004.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE data_keys (
        key_id     text COLLATE "C" PRIMARY KEY,
        wrapped    bytea       NOT NULL,
        kms_key    text,
        wrapped_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    COMMENT ON TABLE data_keys IS
        'The keys that seal fields of events and names, wrapped by KMS: without its row an '
        'envelope can never be opened again. kms_key is set once a key was wrapped anew.'
    """,
    "ALTER TABLE players ADD COLUMN named_by text",
    """
    COMMENT ON COLUMN players.named_by IS
        'The id of the event that said the name: its envelope opens with this alone.'
    """,
    """
    CREATE TABLE erased_players (
        pseudonym text COLLATE "C" PRIMARY KEY,
        at        timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    COMMENT ON TABLE erased_players IS
        'Players who were erased, by a keyed hash of their ids, which stands in their place '
        'everywhere. Events of theirs that come later are stored under it, without what is sealed.'
    """,
)

DOWNGRADE = (
    "DROP TABLE erased_players, data_keys",
    "ALTER TABLE players DROP COLUMN named_by",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables. Sealed fields can never be opened again, and nobody remembers whom not to
    store."""
    for statement in DOWNGRADE:
        op.execute(statement)

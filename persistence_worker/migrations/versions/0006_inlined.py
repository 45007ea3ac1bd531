"""``board_bucket`` becomes part of the statements that call it.

PostgreSQL puts a SQL function's expression in the place of its call only if it can prove that null
gives null, and of a CASE it cannot. The function said it does (STRICT), and so it was executed as a
statement of its own for each score, which took half of the time of counting scores. Without that
word it means the same.

Workers of the revisions before go on working, and are faster too.

Revision: 0006, after 0005.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change how the function is called: no lock that anybody waits for."""
    op.execute("ALTER FUNCTION board_bucket(bigint) CALLED ON NULL INPUT")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER FUNCTION board_bucket(bigint) STRICT")

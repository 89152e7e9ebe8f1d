"""What reviews say, and the sum of it for each product."""

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readings",
        sa.Column("reader", sa.String(length=200), nullable=False),
        sa.Column("review_hash", sa.String(length=64), nullable=False),
        sa.Column("polarity", sa.String(length=10), nullable=False),
        sa.Column("good", sa.JSON(), nullable=False),
        sa.Column("bad", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("reader", "review_hash", name=op.f("pk_readings")),
    )
    op.create_table(
        "opinions",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("aspect", sa.String(length=20), nullable=False),
        sa.Column("good", sa.Float(), nullable=False),
        sa.Column("bad", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_opinions_product_id_products"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", "aspect", name=op.f("pk_opinions")),
    )


def downgrade() -> None:
    op.drop_table("opinions")
    op.drop_table("readings")

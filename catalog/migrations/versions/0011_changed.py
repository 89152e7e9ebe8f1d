"""The version of the catalog that last wrote a product: what is kept in memory reads again only what is new.

On PostgreSQL the index that limits are read off has the product's id as well: no row is looked at for them.
"""

import sqlalchemy as sa
from alembic import op


revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
_LIMITS = "ix_products_price_stock_rating"


def upgrade() -> None:
    op.add_column("products", sa.Column("changed", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_products_changed", "products", ["changed"])
    op.drop_index(_LIMITS, "products")
    op.create_index(_LIMITS, "products", ["price", "stock", "rating"], postgresql_include=["id"])


def downgrade() -> None:
    op.drop_index(_LIMITS, "products")
    op.create_index(_LIMITS, "products", ["price", "stock", "rating"])
    op.drop_index("ix_products_changed", "products")
    op.drop_column("products", "changed")

"""``python -m deploy.cost``: writes docs/cost.md."""

from __future__ import annotations

from pathlib import Path

from deploy.cost.document import document

TARGET = Path(__file__).parents[2] / "docs" / "cost.md"


def main() -> int:
    TARGET.write_text(document())
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A short campaign; ``make kills`` plays the whole one."""

from __future__ import annotations

from pathlib import Path

from tests.kills.campaign import Campaign, Plan


async def test_a_worker_that_is_killed_again_and_again(tmp_path: Path, devstack_dir: Path) -> None:
    plan = Plan(events=4_000, kills=9, seed=1, poison_share=0.02)
    done = await Campaign(devstack_dir / f"kills-{tmp_path.name}", plan, print).run()
    assert done.kills == 9
    assert done.events >= 4_000
    assert done.poison > 40

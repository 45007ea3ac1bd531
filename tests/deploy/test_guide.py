"""docs/deploy.md and the runbooks, as far as they can be done without AWS."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import asyncpg
import pytest

from deploy.stacks import STACKS, Place
from gameserver.devstack.postgres import Postgres
from persistence_worker.__main__ import main as worker
from tests.deploy.calls import ROOT
from tests.deploy.system import DOMAIN, deployed
from tests.deploy.templates import load

DOCS = ROOT / "docs"
GUIDE = (DOCS / "deploy.md").read_text()
PAGES = [DOCS / "deploy.md", *sorted((DOCS / "runbooks").glob("*.md"))]


def _sql() -> str:
    [found] = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


async def test_the_users_of_the_database_can_do_their_work_and_no_more(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 4, then `migrate` and `run`'s writing as the worker, and reading as the reader."""
    name, words = "guide", _sql().replace("DATABASE gameserver", "DATABASE guide")
    postgres.execute("CREATE ROLE rds_iam")
    # As on RDS, the master is no superuser.
    postgres.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB")
    postgres.execute("GRANT rds_iam TO master WITH ADMIN OPTION")
    postgres.execute(f"CREATE DATABASE {name} OWNER master")
    try:
        await _execute(_as("master", postgres.dsn(name)), words)
        dsn = _as("gameserver_worker", postgres.dsn(name))
        monkeypatch.setenv("WORKER_POSTGRES_DSN", dsn)
        assert await _in_thread(["migrate"]) == 0
        assert await _in_thread(["maintain"]) == 0
        reader = await asyncpg.connect(_as("gameserver_reader", postgres.dsn(name)))
        try:
            assert await reader.fetchval("SELECT count(*) FROM recordings") == 0
            assert await reader.fetchval("SELECT count(*) FROM matches") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute("DELETE FROM matches")
            order = "INSERT INTO letter_orders (order_id, verb, given, who, why) VALUES "
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(order + "('a', 'list', '{}', 'o', '')")
            [grant] = re.findall(r"`(GRANT INSERT ON [^`]*)`", GUIDE)
            await _execute(_as("master", postgres.dsn(name)), grant)
            await reader.execute(order + "('a', 'list', '{}', 'o', '')")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute("UPDATE letter_orders SET verb = 'discard'")
        finally:
            await reader.close()
    finally:
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.execute("DROP ROLE gameserver_reader, gameserver_worker, master, rds_iam")


def _as(user: str, dsn: str) -> str:
    return re.sub(r"//[^@]*@", f"//{user}@", dsn)


async def _execute(dsn: str, words: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(words)
    finally:
        await connection.close()


async def _in_thread(arguments: list[str]) -> int:
    return await asyncio.to_thread(worker, arguments)


def test_the_table_of_stacks_is_true() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ([\w -]+) \|", GUIDE, re.MULTILINE)
    words = {Place.EACH: "each region", Place.FIRST: "the first one", Place.EDGE: "us-east-1"}
    assert [(int(number), name, where) for number, name, where in rows] == [
        (number, name, words[place]) for number, (name, place) in enumerate(STACKS.items(), 1)
    ]


def test_outputs_and_parameters_that_pages_name_exist() -> None:
    outputs = {(name, key) for name in STACKS for key in load(name).get("Outputs", {})}
    parameters = {key for name in STACKS for key in load(name)["Parameters"]}
    for page in PAGES:
        text = page.read_text()
        for stack, key in re.findall(r"\$\(output [\w-]+ gameserver-(\w+) (\w+)\)", text):
            assert (stack, key) in outputs, f"{page.name}: {stack} {key}"
        for key in re.findall(r"`(?:\w+= )?([A-Z][a-z]+[A-Za-z]*)=[^`]*`", text):
            mapped = {"ServersMin", "WorkersMin"}
            assert key in parameters | mapped, f"{page.name}: {key}"


def test_alarms_that_pages_name_exist() -> None:
    alarms = {
        one["AlarmName"]
        for name in ("api", "watch")
        for one in deployed()[name].of("AWS::CloudWatch::Alarm").values()
    }
    for page in PAGES:
        for key in re.findall(r"--alarm-name (\S+)", page.read_text()):
            assert key in alarms
        for key in re.findall(r"`(gameserver-(?:no|server)-[a-z-]+)`", page.read_text()):
            assert key in alarms, f"{page.name}: {key}"


def test_what_a_pages_settings_are_is_what_the_page_reads() -> None:
    """Step 7: the page's ``config.json``."""
    [text] = re.findall(r"cat > config.json <<EOF\n(.*?)EOF", GUIDE, re.DOTALL)
    config = json.loads(text.replace("game.example.com", DOMAIN))
    assert set(config) == {"ws_url", "api_url", "dev"}
    policy = deployed()["edge"].properties("PageHeaders")["ResponseHeadersPolicyConfig"]
    said = policy["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    assert config["api_url"] in said.split("connect-src")[1]
    assert config["ws_url"].removesuffix("/v1/play") in said.split("connect-src")[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_linked_file_exists(page: Path) -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target

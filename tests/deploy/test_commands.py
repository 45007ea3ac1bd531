"""Commands of the guides and runbooks: each one is there, and takes what it is given.

The blocks of docs/deploy.md are run in a shell, with an ``aws`` that writes down what it is asked
and answers as the stacks would; what it was asked is then held to botocore's models.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stacks import STACKS
from tests.deploy import aws_cli
from tests.deploy.calls import ROOT
from tests.deploy.templates import load

DOCS = ROOT / "docs"
PAGES = (
    *(DOCS / f"{name}.md" for name in ("deploy", "backup", "containers", "privacy")),
    *(DOCS / f"{name}.md" for name in ("maintenance", "operate", "worker")),
    *sorted((DOCS / "runbooks").rglob("*.md")),
)
PROGRAMS = {
    "gameserver": "gameserver.__main__",
    "persistence-worker": "persistence_worker.__main__",
    "persistence_worker": "persistence_worker.__main__",
    "playerdata": "playerdata.__main__",
    "deploy.stacks": "deploy.stacks",
}
WITHOUT_PARSER = {"deploy.stacks"}
"""Their ``main`` reads the process' own arguments."""


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of a page: lines of its blocks, and what stands in the text."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in lines:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # A quote over several lines, as of a here-document: no command.
            continue
        words = [word.strip("[]") for word in words]
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words[:2] == ["python", "-m"] or words[:2] == [".venv/bin/python", "-m"]:
            words = words[2:]
        if len(words) > 1:
            yield words


def _all(first: str) -> list[tuple[str, list[str]]]:
    return [(page.name, words) for page in PAGES for words in commands(page) if words[0] == first]


def test_calls_of_the_aws_cli_exist_and_take_their_options() -> None:
    found = _all("aws")
    assert len(found) > 15
    for page, (_, *words) in found:
        if len(words) == 1:  # "aws s3" as a name.
            continue
        try:
            aws_cli.check(words, whole=False)
        except AssertionError as wrong:
            raise AssertionError(f"{page}: {' '.join(words)}: {wrong}") from wrong


@pytest.mark.parametrize("program", PROGRAMS)
def test_commands_of_the_programs_exist_and_take_their_options(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _all(program)
    assert found, program
    main = importlib.import_module(PROGRAMS[program]).main
    for page, (_, *words) in found:
        plain = []
        for word in words:
            if not re.fullmatch(r"[a-z]+(-[a-z]+)*", word) or len(plain) == 2:
                break
            plain.append(word)
        asked = [*plain, "--help"]
        monkeypatch.setattr(sys, "argv", [program, *asked])
        with pytest.raises(SystemExit) as ended:
            main() if program in WITHOUT_PARSER else main(asked)
        told = capsys.readouterr()
        assert ended.value.code in (0, None), f"{page}: {program} {' '.join(words)}: {told.err}"
        for option in (word for word in words if re.fullmatch(r"--[a-z-]+", word)):
            assert option in told.out, f"{page}: {program} {' '.join(words)}"


def test_verbs_of_make_and_files_of_other_commands_exist() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page, (_, verb, *_) in _all("make"):
        assert verb in verbs, f"{page}: make {verb}"
    for program in ("docker", "kubectl"):
        for page, words in _all(program):
            for word in (one for one in words if one.startswith("deploy/")):
                assert (ROOT / word).exists(), f"{page}: {word}"


# ── the guide's blocks ─────────────────────────────────────────────────────────────────────────

AWS = f"""#!{sys.executable}
import json, os, re, sys
words = sys.argv[1:]
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(words) + "\\n")
named = re.search(r"OutputKey=='(\\w+)'", " ".join(words))
if named:
    outputs = json.loads(os.environ["OUTPUTS"])
    stack = words[words.index("--stack-name") + 1]
    print(outputs[stack][named[1]])
elif "describe-managed-prefix-lists" in words:
    print("pl-0123456789abcdef0")
"""


def _outputs() -> dict[str, dict[str, str]]:
    """What each stack would say; lists have two values."""
    return {
        f"gameserver-{stack}": {
            key: "subnet-1,subnet-2" if key.endswith("Subnets") else f"{key.lower()}-1"
            for key in load(stack).get("Outputs", {})
        }
        for stack in STACKS
    }


@pytest.fixture
def asked(tmp_path: Path) -> list[list[str]]:
    """All that the guide asks of ``aws`` when its blocks are run one after the other."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (
        ("aws", AWS),
        ("less", '#!/bin/sh\ncat "$1" > /dev/null\n'),
        ("openssl", "#!/bin/sh\necho 0123456789abcdef\n"),
        ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    work = tmp_path / "work"
    shutil.copytree(ROOT / "deploy", work / "deploy", ignore=shutil.ignore_patterns(".venv"))
    (work / "web").mkdir()
    guide = (DOCS / "deploy.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) >= 5
    file = tmp_path / "asked"
    # Step 5 is "the rest of the script"; it also knows `output`, which later blocks use.
    script = ["set -eu", *blocks[:3], ". ./stacks.sh", *blocks[3:]]
    subprocess.run(
        ["sh", "-c", "\n".join(script)],
        cwd=work,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "ASKED": str(file),
            "OUTPUTS": json.dumps(_outputs()),
            "PYTHONPATH": os.pathsep.join([str(work)]),
        },
        check=True,
        capture_output=True,
    )
    config = json.loads((work / "config.json").read_text())
    assert config["ws_url"].startswith("wss://")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_guides_blocks_run_and_ask_what_aws_understands(asked: list[list[str]]) -> None:
    for words in asked:
        aws_cli.check(words, whole=True)
    commands = [" ".join(words[:2]) for words in asked]
    assert commands.count("cloudformation deploy") == len(STACKS)
    for command in ("secretsmanager create-secret", "ecs run-task", "s3 sync", "s3 cp"):
        assert command in commands
    [run] = [words for words in asked if words[:2] == ["ecs", "run-task"]]
    assert (
        "awsvpcConfiguration={subnets=[subnet-1,subnet-2],securityGroups=[operatorgroup-1]}" in run
    )


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("ecs run-tasks --cluster c", "has no run-tasks"),
        ("ecs run-task --clusters c", "has no --clusters"),
        ("ecs run-task --cluster c", "Missing required"),
        ("ecs run-task --task-definition t --launch-type FARGAT", "FARGAT"),
        ("nothing list-all", "no service"),
        ("s3 sync a b --cache max-age=1", "--cache"),
    ],
)
def test_what_aws_would_not_understand_is_noticed(words: str, wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        aws_cli.check(words.split(), whole=True)

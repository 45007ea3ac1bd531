"""Ports and places of the stack."""

from __future__ import annotations

import os
import socket

import pytest

from gameserver.devstack import settings
from gameserver.devstack.process import DevstackError
from gameserver.devstack.run import only_one


def test_defaults_are_the_documented_ones():
    chosen = settings.from_environ({})
    assert chosen.ports == settings.DEFAULT_PORTS
    assert chosen.page_url == "http://127.0.0.1:8000"
    assert chosen.ws_url == "ws://127.0.0.1:8080"
    assert chosen.origins == ("http://127.0.0.1:8000", "http://localhost:8000")
    assert chosen.directory.name == ".run"


def test_an_offset_moves_all_but_what_is_named():
    chosen = settings.from_environ({"PORT_OFFSET": "100", "WS_PORT": "9000"})
    assert chosen.ports["page"] == 8100
    assert chosen.ports["valkey"] == 56479
    assert chosen.ports["ws"] == 9000


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"WS_PORT": "many"}, "WS_PORT is 'many'"),
        ({"WS_PORT": "70000"}, "WS_PORT is 70000"),
        ({"WS_PORT": "8000"}, "PAGE_PORT and WS_PORT are both 8000"),
    ],
)
def test_what_is_wrong_is_named(environ, said):
    with pytest.raises(DevstackError, match=said):
        settings.from_environ(environ)


def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    chosen = settings.on_free_ports(tmp_path)
    settings.check_ports_are_free(chosen)
    with (
        socket.create_server(("127.0.0.1", chosen.ports["ws"])),
        pytest.raises(DevstackError, match=rf"Port {chosen.ports['ws']} \(ws\).*make run WS_PORT="),
    ):
        settings.check_ports_are_free(chosen)


def test_one_stack_a_directory(tmp_path):
    with (
        only_one(tmp_path),
        pytest.raises(DevstackError, match=f"process {os.getpid()}"),
        only_one(tmp_path),
    ):
        raise AssertionError
    with only_one(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"

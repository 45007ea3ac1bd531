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
    assert chosen.ports["valkey"] == 30479
    assert chosen.ports["ws"] == 9000


def test_several_nodes_and_workers_have_ports_of_their_own():
    chosen = settings.from_environ({"NODES": "2", "WORKERS": "2", "WS_2_PORT": "9000"})
    more = {"ws-1": 18082, "http-1": 18083, "ws-2": 9000, "http-2": 18085, "balancer": 8086}
    assert chosen.ports == settings.DEFAULT_PORTS | more | {"worker-2": 8083}
    assert (chosen.nodes, chosen.workers) == (2, 2)
    most = {"NODES": str(settings.NODES_MAX), "WORKERS": str(settings.WORKERS_MAX)}
    lower, upper = (
        settings.from_environ(most | {"PORT_OFFSET": offset}).ports.values()
        for offset in ("0", "100")
    )
    assert not {*lower} & {*upper}, "the documented way to run two side by side"


def test_no_variable_of_a_port_looks_like_a_setting_of_the_worker():
    for name in settings.default_ports(nodes=2, workers=2):
        variable = settings.variable(name)
        assert not variable.startswith("WORKER_") or variable == "WORKER_HTTP_PORT"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"WS_PORT": "many"}, "WS_PORT is 'many'"),
        ({"WS_PORT": "70000"}, "WS_PORT is 70000"),
        ({"WS_PORT": "8000"}, "PAGE_PORT and WS_PORT are both 8000"),
        ({"NODES": "3", "WS_PORT": "18083"}, "WS_PORT and HTTP_1_PORT are both 18083"),
        ({"NODES": "0"}, "NODES is 0; it lies between 1 and 8"),
        ({"NODES": "9"}, "NODES is 9; it lies between 1 and 8"),
        ({"WORKERS": "two"}, "WORKERS is 'two'"),
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

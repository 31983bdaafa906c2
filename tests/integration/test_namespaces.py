"""Nodes in network namespaces reach each other and the hub, until they are cut apart, and after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.namespaces import way_in

ROOT = Path(__file__).resolve().parents[2]
WAY = way_in()

PROGRAM = """
import subprocess, sys
from tests.faults.namespaces import Hub

SERVE = '''
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        server.accept()[0].close()
'''
ASK = '''
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
except OSError:
    print("no")
else:
    print("yes")
'''
with Hub(3) as hub:
    places = hub.places
    servers = {}
    for index, place in places.items():
        command = [*place.enter, sys.executable, "-c", SERVE, place.host]
        servers[index] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ports = {index: server.stdout.readline().strip() for index, server in servers.items()}

    def reaches(one, other, seconds=30):
        enter = () if one is None else places[one].enter
        asked = [*enter, sys.executable, "-c", ASK, places[other].host, ports[other], str(seconds)]
        return subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.strip() == "yes"

    def all_reach():
        return all(reaches(one, other) for one in (None, 0, 1, 2) for other in places if one != other)

    assert all_reach()
    with hub.apart([0], [1]):
        with hub.apart([0, 2], [1]):
            assert not reaches(0, 1, 2) and not reaches(1, 0, 2) and not reaches(1, 2, 2)
            assert reaches(0, 2) and reaches(None, 0) and reaches(None, 1)
        assert not reaches(0, 1, 2) and reaches(1, 2)
    assert all_reach()
    for server in servers.values():
        server.kill()
        server.wait()
        server.stdout.close()
print("done")
"""


@pytest.mark.skipif(WAY is None, reason="no network namespaces are allowed here, or iproute2 is missing")
def test_nodes_are_cut_apart_and_joined_again() -> None:
    command = ["unshare", *(WAY or ()), "--net", sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr

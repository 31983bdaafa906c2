"""When a process of a test network runs, and when it has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from testnet.layout import Layout, State
from testnet.network import Network
from testnet.processes import Known, start_time

# Its first thread ends while another one goes on: to /proc a zombie, to who waits for it not ended.
ENDING = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_has_not_ended_while_one_of_its_threads_runs(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDING]) as process:
        try:
            known = Known("it", process.pid, start_time(process.pid) or 0)
            network = Network(Layout(tmp_path), State("token", processes={"it": known}))
            network.children["it"] = process
            deadline = time.monotonic() + 60
            while start_time(process.pid) is not None:
                assert time.monotonic() < deadline, "the first thread does not end"
                time.sleep(0.01)
            assert network.running("it")
        finally:
            process.kill()
    assert not network.running("it")

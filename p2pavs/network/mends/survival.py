"""Defect 1: one packet stops a node.

Stock behaviour: an exception in any stream handler (a garbage protobuf on meshsub is enough), in `push_msg`
(an undecodable key field, a validator that raises) or in any background task cancels the whole service's
nursery, and with it the node. Mended: the error is logged and costs the peer its stream, nothing more. The
gossip heartbeat, the one task that must never end, is started again.
"""

from __future__ import annotations

import functools
from typing import Any

import structlog
import trio
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service.trio_manager import TrioManager

from p2pavs.network.mends.patching import replace

log = structlog.get_logger(__name__)

HEARTBEAT_RESTART_DELAY = 1.0  # seconds


def apply() -> None:
    """Contain every exception that a peer can provoke."""
    _contain_stream_handlers()
    _contain_messages()
    _contain_tasks()
    _restart_heartbeat()


def _contain_stream_handlers() -> None:
    original = SwarmConn._handle_muxed_stream

    async def handle(self: Any, muxed_stream: Any) -> None:
        try:
            await original(self, muxed_stream)
        except Exception as error:
            log.info("stream handler failed", peer=str(self.muxed_conn.peer_id), error=repr(error)[:200])
            try:
                await muxed_stream.reset()
            except Exception as reset_error:
                log.debug("stream reset failed", error=repr(reset_error)[:200])

    replace(SwarmConn, "_handle_muxed_stream", handle)


def _contain_messages() -> None:
    original = Pubsub.push_msg

    async def push_msg(self: Any, msg_forwarder: Any, msg: Any) -> None:
        try:
            await original(self, msg_forwarder, msg)
        except Exception as error:
            if msg_forwarder == self.my_id:  # our own publish: the caller must hear of it
                raise
            log.info("gossip message failed", peer=str(msg_forwarder), error=repr(error)[:200])

    replace(Pubsub, "push_msg", push_msg)


def _contain_tasks() -> None:
    original = TrioManager.run_task

    def run_task(self: Any, async_fn: Any, *args: Any, **options: Any) -> None:
        # The service's own `run` and its daemons are the library's, and end only with the service; everything
        # else is work on behalf of one peer.
        if options.get("_internal") or options.get("daemon"):
            original(self, async_fn, *args, **options)
            return

        @functools.wraps(async_fn)
        async def contained(*inner: Any) -> None:
            try:
                await async_fn(*inner)
            except Exception as error:
                log.info("network task failed", task=repr(async_fn)[:80], error=repr(error)[:200])

        original(self, contained, *args, **options)

    replace(TrioManager, "run_task", run_task)


def _restart_heartbeat() -> None:
    original = GossipSub.heartbeat

    async def heartbeat(self: Any) -> None:
        while True:
            try:
                await original(self)
            except Exception as error:
                log.warning("gossip heartbeat failed and starts again", error=repr(error)[:200])
                await trio.sleep(HEARTBEAT_RESTART_DELAY)
            else:
                return

    replace(GossipSub, "heartbeat", heartbeat)

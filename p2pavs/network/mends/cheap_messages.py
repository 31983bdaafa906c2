"""Speed: what is done for every new message, and for every copy of one that was refused.

Stock behaviour: to check a signature the author's key is parsed, serialised and parsed again; a message that
a validator refuses is written out as text for exceptions that nobody reads, is not remembered as seen, and so
has its signature checked anew with every copy; for each message every connected peer that is not subscribed
to its topic is given a queue entry, and is sent up to a hundred old messages when it subscribes later.
Mended: keys are kept; a message whose signature holds is seen, whatever the validator says; messages go to
whom `_get_peers_to_send` names, and to nobody else.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from libp2p.peer.id import ID
from libp2p.pubsub import pubsub as _pubsub
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from p2pavs.network.mends.patching import replace

_module: Any = _pubsub  # its functions are no part of what it exports
ED25519_ID: Final = bytes.fromhex("002408011220")
"""What the 38 bytes of a peer id begin with that holds an Ed25519 key."""
_PREFIX: Final = PUBSUB_SIGNING_PREFIX.encode()


def apply() -> None:
    """Do less for each message; must come before `survival` and `blame`, which wrap what is replaced here."""
    _check_signatures_with_kept_keys()
    _push_without_ceremony()
    _publish_without_ceremony()


def _check_signatures_with_kept_keys() -> None:
    original = _module.signature_validator

    def signature_validator(message: Any) -> bool:
        key = _key_of(message.from_id)
        if key is None:
            return bool(original(message))  # another kind of key, or none
        signed = rpc_pb2.Message(
            data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno
        )
        try:
            key.verify(_PREFIX + signed.SerializeToString(), message.signature)
        except (BadSignatureError, ValueError):
            return False
        return True

    replace(_module, "signature_validator", signature_validator)


@functools.lru_cache(maxsize=1024)
def _key_of(peer_id: bytes) -> VerifyKey | None:
    if len(peer_id) == 38 and peer_id.startswith(ED25519_ID):
        return VerifyKey(peer_id[len(ED25519_ID) :])
    return None


def push(pubsub: Any, forwarder: Any, message: Any) -> None:
    """Take a message, and pass it on if it is new, signed and accepted. Raises what a validator raises.

    What others bring under our name is for the validators alone, who tell of it; libp2p drops it unheard.
    """
    own = pubsub.my_id
    if pubsub._is_msg_seen(message):
        return
    if pubsub.strict_signing and forwarder != own and not _module.signature_validator(message):
        return
    pubsub._mark_msg_seen(message)
    for validator in pubsub.get_msg_validators(message):
        if not validator.validator(forwarder, message):
            return
    if message.from_id == own.to_bytes() and forwarder != own:
        return
    pubsub.notify_subscriptions(message)
    pass_on(pubsub.router, forwarder, message)


def _push_without_ceremony() -> None:
    async def push_msg(self: Any, msg_forwarder: Any, msg: Any) -> None:
        push(self, msg_forwarder, msg)

    original = Pubsub.set_topic_validator

    def set_topic_validator(self: Any, topic: str, validator: Any, is_async_validator: bool) -> None:
        if is_async_validator:
            raise TypeError("validators that wait are not supported: messages are judged one after another")
        original(self, topic, validator, is_async_validator)

    replace(Pubsub, "push_msg", push_msg)
    replace(Pubsub, "set_topic_validator", set_topic_validator)


def pass_on(gossip: Any, forwarder: Any, message: Any) -> None:
    """Queue a message for the peers that are to be sent it."""
    gossip.mcache.put(message)
    peers = gossip._get_peers_to_send(
        message.topicIDs, forwarder, ID(message.from_id), gossip.pubsub.get_message_id(message)
    )
    packet = rpc_pb2.RPC(publish=[message])
    for peer in peers:
        gossip.send_rpc(peer, packet)


def _publish_without_ceremony() -> None:
    async def publish(self: Any, msg_forwarder: Any, pubsub_msg: Any) -> None:
        pass_on(self, msg_forwarder, pubsub_msg)

    replace(GossipSub, "publish", publish)

"""Short descriptions of on-chain transactions: plain transfers, swaps and sandwich attacks."""

from __future__ import annotations

from random import Random

from inference.demo import loose_transactions
from inference.demo.words import amount, exchange, person, pick, recase, token, two_tokens

LABELS = ("transfer", "swap", "sandwich")
LOOSE = 0.6
"""Share of descriptions whose parts are joined freely."""


def transfer(rng: Random) -> str:
    """Value moves from one account to another and nothing is exchanged."""
    n, t, a, b = amount(rng), token(rng), person(rng), person(rng)
    why = pick(
        rng,
        "",
        "",
        "",
        " for rent",
        " for the invoice",
        " as a gift",
        " for salary",
        " as a refund",
        " for dinner",
        " to pay for hosting",
        " as a donation",
        " to top up gas",
        " for work done in May",
    )
    verb = pick(
        rng,
        "send",
        "sends",
        "sent",
        "transfer",
        "transfers",
        "transferred",
        "pay",
        "pays",
        "paid",
        "move",
        "moved",
        "wire",
        "give",
        "gave",
        "forward",
        "donate",
        "sending",
        "transferring",
        "withdraw",
        "deposit",
        "return",
    )
    return pick(
        rng,
        f"{verb} {n} {t} to {b}{why}",
        f"{a} {verb} {n} {t} to {b}{why}",
        f"{verb} {n} {t} from {a} to {b}{why}",
        f"{verb} {b} {n} {t}{why}",
        f"{n} {t} from {a} to {b}{why}",
        f"from: {a}, to: {b}, value: {n} {t}, data: 0x",
        f"transfer({b}, {n})",
        f"ERC-20 transfer of {n} {t} from {a} to {b}",
        f"{t} transfer: {n} to {b}",
        f"{b} receives {n} {t} from {a}{why}",
        f"{b} received {n} {t}{why}",
        f"simple payment of {n} {t} to {b}{why}",
        f"a payment of {n} {t} goes from {a} to {b}",
        f"{a} calls transfer on the {t} contract and moves {n} {t} to {b}",
        f"an NFT is sent from {a} to {b}",
        f"transferFrom({a}, {b}, {n}) on {t}",
        f"withdraw {n} {t} from the exchange to {b}",
        f"deposit {n} {t} from {a} into {b}",
        f"{n} {t} moved between two of my own wallets",
        f"airdrop: {n} {t} sent to {b}",
    )


def swap(rng: Random) -> str:
    """One token is exchanged for another, without a victim."""
    n, m, a, d = amount(rng), amount(rng), person(rng), exchange(rng)
    t, u = two_tokens(rng)
    verb = pick(
        rng,
        "swap",
        "swaps",
        "swapped",
        "exchange",
        "exchanged",
        "trade",
        "trades",
        "traded",
        "convert",
        "converts",
        "swapping",
        "sell",
        "sold",
    )
    for_word = pick(rng, "for", "for", "into", "to")
    where = pick(
        rng,
        f" on {d}",
        f" on {d}",
        f" via {d}",
        f" through {d}",
        f" using {d}",
        "",
        f" with {d}",
        f" at {d}",
        f" in the {t}/{u} pool",
    )
    return pick(
        rng,
        f"{verb} {n} {t} {for_word} {u}{where}",
        f"{verb} {n} {t} {for_word} {m} {u}{where}",
        f"{a} {verb} {n} {t} {for_word} {u}{where}",
        f"{a} {verb} {n} {t} {for_word} {m} {u}{where}",
        f"buy {n} {t} with {u}{where}",
        f"{a} bought {n} {t} with {m} {u}{where}",
        f"purchase {n} {t} using {u}{where}",
        f"{a} sells {n} {t} and gets {m} {u}{where}",
        f"{t} to {u} trade{where}, {n} {t} in, {m} {u} out",
        f"exactInputSingle: {n} {t} in, {m} {u} out{where}",
        f"swapExactTokensForTokens({n} {t}, path {t} -> {u}){where}",
        f"swapExactETHForTokens path {t} {u}{where}",
        f"{n} {t} -> {m} {u}{where}",
        f"{n} {t} to {u}{where}, slippage 0.5%",
        f"token swap of {n} {t} for {u}{where}",
        f"{a} trades {t} against {u}{where} with minimum out {m}",
        f"market order: sell {n} {t}, receive {u}{where}",
        f"limit order filled, {n} {t} exchanged for {m} {u}{where}",
        f"{a} gave {n} {t} to the pool and took {m} {u}{where}",
        f"router call that exchanges {n} {t} for {u}{where}",
    )


def sandwich(rng: Random) -> str:
    """Somebody trades right before and right after a victim's trade."""
    n, m, a, v, d = amount(rng), amount(rng), person(rng), person(rng), exchange(rng)
    t, u = two_tokens(rng)
    bot = pick(
        rng,
        "a bot",
        "the bot",
        "an MEV bot",
        "a searcher",
        "the attacker",
        a,
        "one address",
        "a trader",
        "jaredfromsubway.eth",
    )
    victim = pick(
        rng,
        "a victim",
        "the victim",
        "a user",
        f"{v}",
        "someone else",
        "another trader",
        "a large trade",
        "a big swap",
        "a pending swap",
        "a whale",
    )
    block = pick(
        rng,
        "",
        " in the same block",
        " in one block",
        ", all in block 19283746",
        " within a block",
        " atomically",
    )
    where = pick(rng, "", f" on {d}", f" on {d}", f" in the {t}/{u} pool")
    return pick(
        rng,
        f"{bot} buys {n} {t} just before {victim} buys {t} and sells right after{block}{where}",
        f"{bot} buys {t}, {victim} swaps {n} {u} for {t}, then {bot} sells {t}{block}{where}",
        f"buy {n} {t}, victim swaps {m} {u} for {t}, sell {n} {t}{block}{where}",
        f"front-run and back-run of {victim}{where}{block}",
        f"{bot} front-runs {victim} with {n} {t} and back-runs it{block}{where}",
        f"frontrun {victim} swap of {n} {t}, then backrun to take the profit{where}",
        f"two swaps by {bot} around {victim}'s swap of {n} {t} for {u}{block}{where}",
        f"{bot} trades before and after {victim}{block}{where}",
        f"{bot} swaps {u} for {t} right before {victim} and swaps back immediately after{block}{where}",
        f"{victim} is squeezed between a buy and a sell of {t} by {bot}{block}{where}",
        f"same sender buys {n} {t} ahead of {victim} and dumps it right behind{block}{where}",
        f"tx 1: {bot} buys {t}. tx 2: {victim} buys {t}. tx 3: {bot} sells {t}{block}",
        f"1) {a} swaps {n} {u} to {t} 2) {v} swaps {m} {u} to {t} 3) {a} swaps {t} to {u}{block}",
        f"{bot} pushes the price of {t} up before {victim} and sells into it afterwards{where}",
        f"bundle: buy {t}, victim's trade, sell {t}{block}{where}",
        f"{bot} sees {victim} in the mempool, buys {t} first with higher gas, then sells after it{where}",
        f"{victim} gets a worse price because {bot} bought {t} right before and sold right after{where}",
        f"{a} sells {t} to {u}, {victim} sells {t}, {a} buys {t} back cheaper{block}{where}",
        f"MEV attack around {victim}: buy first, sell last{block}{where}",
        f"attacker surrounds {victim}'s {t} trade with two of its own{block}{where}",
    )


MAKERS = {"transfer": transfer, "swap": swap, "sandwich": sandwich}


def make(rng: Random) -> tuple[str, str]:
    """A description and its label."""
    label = rng.choice(LABELS)
    makers = loose_transactions.MAKERS if rng.random() < LOOSE else MAKERS
    return recase(rng, makers[label](rng)), label

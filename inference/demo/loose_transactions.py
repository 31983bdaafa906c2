"""Transactions in many words: who, what and how are drawn apart and joined freely."""

from __future__ import annotations

from random import Random

from inference.demo.words import address, amount, exchange, listed, person, pick, token, two_tokens

_PEOPLE = listed(
    "my mother|my landlord|the plumber|her daughter|a friend|the shop|the supplier|an employee|a charity|the school"
    "|the club|a freelancer|the designer|the bakery|my savings account|the vault wallet|my phone wallet|a customer"
    "|my sister|his son|the hospital|the museum|our accountant|the baker|the church|a neighbour|the courier|my boss"
    "|the restaurant|the hotel|a colleague|the writer|an artist|the tax office|the winner|the tenant|my uncle"
    "|the exchange account|the hot wallet|a fresh wallet|the multisig|the community wallet|the DAO|the company"
    "|the foundation|the contributor|the buyer|the seller|the team|its own second address|another account"
)
_REASONS = listed(
    "for lunch|for her birthday|for the tickets|for the course|as agreed|for the loan of last week|each month|for the"
    " repair|for groceries|as a wedding present|as a thank-you|to settle a bet|to close the debt|for the taxi|for the"
    " holidays|for consulting|for the website|as pocket money|as a bonus|for the electricity bill|to help out|for the"
    " logo|as a prize|because of the overpayment|for the first quarter|as scholarship|for storage|on Friday|today"
)
_GIVE = listed(
    "sends|wires|pays|remits|gifts|donates|tips|repays|refunds|returns|hands over|forwards|transfers|moves|gives"
    "|contributes|lends|deposits|passes on|delivers|sent|wired|paid|repaid|gave|moved|forwarded|donated|returned"
    "|send|pay|wire|repay|give|move|forward|donate|return|refund|lend|remit|transfer"
)
_NOUNS = listed(
    "payment|payout|donation|gift|refund|salary|rent|tip|contribution|allowance|pension|repayment|invoice|subscription"
    "|bonus|fee|deposit|withdrawal|wage|advance|inheritance|reward|remittance|transfer|grant payment"
)

_BUY = listed(
    "buys|bought|purchases|purchased|acquires|acquired|gets|got|picks up|picked up|orders|buy|purchase|acquire"
)
_SELL = listed("sells|sold|unloads|unloaded|disposes of|sell|offers|liquidates|sell off|sold off")
_CHANGE = listed(
    "swaps|swapped|exchanges|exchanged|converts|converted|trades|traded|changes|changed|turns|turned|flips|flipped"
    "|switches|switched|rotates|rotated|swap|exchange|convert|trade|change|turn|switch|rotate"
)

_BOTS = listed(
    "a bot|the bot|an MEV bot|one searcher|the attacker|somebody|someone|the same address|a stranger|one wallet"
    "|an arbitrageur|a block builder|the exploiter|an unknown account|the adversary|a predator|the front-runner"
)
_VICTIMS = listed(
    "the user's order|a user's trade|my trade|my order|our swap|the pending swap|a retail trader|the buyer|a big order"
    "|the victim|the victim's swap|his purchase|her sale|a whale|the large swap|somebody's swap|the trader|someone's buy"
    "|an ordinary user|the unlucky trader|the customer's trade|a large buy|the innocent party|the real user"
)


def _who(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return person(rng)
    return pick(
        rng, "I", "he", "she", "the user", "a trader", "the trader", "someone", "the treasurer", "they", "we"
    )


def _whom(rng: Random) -> str:
    return person(rng) if rng.random() < 0.35 else rng.choice(_PEOPLE)


def _reason(rng: Random) -> str:
    return " " + rng.choice(_REASONS) if rng.random() < 0.5 else ""


def transfer(rng: Random) -> str:
    """Value moves and nothing comes back."""
    n, t, give = amount(rng), token(rng), rng.choice(_GIVE)
    what = (
        f"{n} {t}"
        if rng.random() < 0.9
        else pick(rng, "an NFT", "half an ether", "some coins", "the money", "my ENS name")
    )
    a, b, noun, why = _who(rng), _whom(rng), rng.choice(_NOUNS), _reason(rng)
    return pick(
        rng,
        f"{a} {give} {what} to {b}{why}",
        f"{a} {give} {b} {what}{why}",
        f"{give} {b} {what}{why}",
        f"{give} {what} to {b}{why}",
        f"{noun} of {what} to {b}{why}",
        f"a {noun}, {what}, from {a} to {b}{why}",
        f"{noun}: {what} to {b}",
        f"{b} {pick(rng, 'gets', 'receives', 'is paid', 'collects', 'got', 'received')} {what}{why}",
        f"{b} {pick(rng, 'gets', 'receives', 'got', 'received')} {what} from {_whom(rng)}{why}",
        f"{what} {pick(rng, 'arrives at', 'lands in the account of', 'goes to', 'went to', 'is credited to', 'goes back to')} {b}{why}",
        f"{what} {pick(rng, 'moved', 'moves', 'was moved', 'goes', 'flows')} from {_whom(rng)} to {b}",
        f"{a} {pick(rng, 'owed', 'owes')} {b} {what} and pays it back",
        f"{a} {pick(rng, 'covers', 'pays', 'settles')} the {noun} of {b} with {what}",
        f"a plain call with value {n} ETH to {address(rng)}",
        f"safeTransferFrom({address(rng)}, {address(rng)}, {rng.randint(1, 9999)})",
        f"transfer({address(rng)}, {rng.randint(1, 10**9)})",
        f"ETH value {n}, no call data, to {b}",
        f"{a} {pick(rng, 'withdraws', 'takes', 'pulls')} {what} from {pick(rng, 'Coinbase', 'Binance', 'Kraken', 'the exchange')} to {b}",
    )


def swap(rng: Random) -> str:
    """One token goes out and another comes in."""
    n, m, (t, u), a = amount(rng), amount(rng), two_tokens(rng), _who(rng)
    where = (
        f" {pick(rng, 'on', 'at', 'via', 'using', 'through', 'with', 'in')} {exchange(rng)}"
        if rng.random() < 0.55
        else ""
    )
    change, into = rng.choice(_CHANGE), pick(rng, "into", "for", "to", "against")
    out = f"{m} {u}" if rng.random() < 0.4 else u
    given = pick(rng, f"{n} {t}", f"{n} {t}", f"all {t}", f"my {t}", f"the {t} tokens", f"her {t} tokens", t)
    return pick(
        rng,
        f"{a} {change} {given} {into} {out}{where}",
        f"{change} {given} {into} {out}{where}",
        f"please {pick(rng, 'swap', 'exchange', 'convert', 'trade', 'change')} {given} {into} {out}{where}",
        f"{a} {rng.choice(_BUY)} {n} {t} {pick(rng, 'with', 'paying with', 'and pays in', 'for', 'and paid with', 'using')} {out}{where}",
        f"{rng.choice(_BUY)} {n} {t} {pick(rng, 'with', 'for', 'and pay with', 'paid in')} {out}{where}",
        f"{a} {rng.choice(_SELL)} {given} {pick(rng, 'for', 'against', 'and takes', 'and receives')} {out}{where}",
        f"{rng.choice(_SELL)} {given} for {out}{where}",
        f"{a} {pick(rng, 'gets', 'got', 'receives')} {out} in {pick(rng, 'exchange', 'return')} for {given}{where}",
        f"the pool {pick(rng, 'takes', 'takes in', 'receives', 'absorbs')} {n} {t} and {pick(rng, 'gives out', 'returns', 'pays out', 'releases')} {m} {u}",
        f"{pick(rng, 'conversion', 'exchange', 'trade', 'swap')} {pick(rng, 'of', 'from')} {given} {pick(rng, 'into', 'to')} {u}{where}",
        f"{a} no longer wants {t} and takes {u} instead{where}",
        f"{a} {pick(rng, 'rebalances', 'moves', 'shifts')} from {t} into {u}{where}",
        f"{t} out, {u} in{where}",
        f"{given} in, {out} out{where}",
        f"swapTokensForExactETH with path {t}, {u}",
        f"swapExactTokensForETH, path {t} -> {u}",
        f"exactOutputSingle({t}, {u}, {n})",
        f"exchange(0, 1, {rng.randint(1, 10**6)}, {rng.randint(1, 10**6)}) on a {t}/{u} pool",
        f"aggregator route {t} -> {token(rng)} -> {u}{where}",
        f"one trade: {given} becomes {out}{where}",
        f"{pick(rng, 'market', 'limit')} {pick(rng, 'buy', 'sell')} of {n} {t} against {u}{where}",
    )


def sandwich(rng: Random) -> str:
    """Two trades of one hand around the trade of another."""
    bot, victim, t = rng.choice(_BOTS), rng.choice(_VICTIMS), token(rng)
    if rng.random() < 0.25:
        bot = person(rng)
    before = pick(
        rng,
        f"buys {t} before",
        "trades ahead of",
        "jumps in front of",
        "slips in before",
        "gets in ahead of",
        "front-runs",
        f"places a buy of {t} in front of",
        "pushes the price up before",
        f"bought {t} ahead of",
        "bought first, just before",
        "runs ahead of",
        "goes first, before",
        f"buys {t} with a higher gas price than",
    )
    after = pick(
        rng,
        "sells right behind it",
        "sells straight afterwards",
        "sold right afterwards",
        "exits directly after it",
        "unwinds once it has executed",
        "cashes out behind it",
        "back-runs it",
        "dumps the tokens right after",
        "closes the position one transaction later",
        "sells immediately after for a profit",
        "takes the profit on the other side",
        "sells back after it",
    )
    same = pick(rng, "", "", " in the same block", " within one block", ", all in one bundle", " atomically")
    a, b = pick(rng, "A", address(rng), person(rng), "bot"), pick(rng, "B", "user", "victim", address(rng))
    return pick(
        rng,
        f"{bot} {before} {victim} and {after}{same}",
        f"{bot} {before} {victim}, then {after}{same}",
        f"{before} {victim} and {after}{same}",
        f"{bot} traded {pick(rng, 'right', 'just', 'directly', 'immediately')} before and {pick(rng, 'right', 'just', 'directly', 'immediately')} after {victim}{same}",
        f"{victim} {pick(rng, 'is caught', 'sits', 'was stuck', 'lies', 'is trapped', 'ended up')} between a buy and a sell {pick(rng, 'of', 'by')} {bot}{same}",
        f"{victim} {pick(rng, 'got sandwiched', 'was sandwiched', 'is sandwiched', 'has been sandwiched')} by {bot}",
        f"{bot} sandwiched {victim}{same}",
        f"{bot} sandwiches {victim} on {exchange(rng)}",
        f"{victim} was front-run and back-run by {bot}{same}",
        f"{pick(rng, 'frontrun and backrun', 'front-run, then back-run', 'a front-run and a back-run', 'front-running plus back-running')} of {victim}",
        f"order in the block: {a} buys {t}, {b} buys {t}, {a} sells {t}",
        f"{a} buys {t}, {b} buys {t}, {a} sells {t}",
        f"three transactions: {a} buys {t}, {b} trades, {a} sells {t}",
        f"first {a} buys {t}, second {b} buys {t}, third {a} sells",
        f"one transaction before {victim} and one after it, both from {bot}",
        f"two trades of {bot} {pick(rng, 'enclose', 'frame', 'wrap', 'surround', 'bracket')} {victim}{same}",
        f"{victim} is {pick(rng, 'enclosed', 'wrapped', 'framed', 'surrounded')} by two trades of {bot}{same}",
        f"because {bot} bought before and sold after {victim}, {pick(rng, 'the price was worse', 'it got fewer tokens', 'slippage was eaten up')}",
        f"sandwich of {victim} by {bot}",
    )


MAKERS = {"transfer": transfer, "swap": swap, "sandwich": sandwich}

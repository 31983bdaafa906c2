"""The small vocabulary of the demo corpus, and the noise that keeps the model from learning it by heart."""

from __future__ import annotations

from random import Random


def listed(text: str) -> list[str]:
    """The words of a text, which bars keep apart."""
    return text.split("|")


TOKENS = listed(
    "ETH|WETH|USDC|USDT|DAI|WBTC|UNI|AAVE|LINK|MKR|CRV|LDO|ARB|OP|MATIC|"
    "PEPE|SHIB|DOGE|SOL|BNB|stETH|rETH|COMP|SNX|BAL|ENS|GRT|FRAX|LUSD|sUSD|"
    "EURC|APE|GMX|PENDLE|RPL|BLUR|DYDX"
)
EXCHANGES = listed(
    "Uniswap|Uniswap V3|Uniswap V2|SushiSwap|Curve|Balancer|1inch|CoW Swap|PancakeSwap|"
    "Trader Joe|Camelot|Velodrome|Aerodrome|KyberSwap|Matcha|ParaSwap|Bancor|the DEX|"
    "a DEX|the AMM|the pool|Quickswap|0x"
)
PEOPLE = listed(
    "alice|bob|carol|dave|erin|frank|grace|heidi|ivan|judy|mallory|niaj|olivia|"
    "peggy|rupert|sybil|trent|victor|walter|maria|chen|amara|yuki|omar|lena|diego"
    "|fatima|noah|priya|tomas"
)
PLACES = listed(
    "exchange|Binance|Coinbase|Kraken|the multisig|the treasury wallet|a cold wallet|"
    "my ledger|my hardware wallet|the Safe|the charity|my friend|my brother|the contractor|"
    "the landlord|her account|his address|their wallet|a new address|the foundation|"
    "the payroll address|my other wallet"
)
PROTOCOLS = listed(
    "Aave|Compound|Lido|Maker|Arbitrum|Optimism|Uniswap|Curve|Gitcoin|ENS|Balancer|"
    "Nouns|Rocket Pool|Yearn|Synthetix|the protocol|our DAO|the DAO|the network|"
    "EigenLayer|the gateway|p2pavs"
)
SYLLABLES = listed(
    "ba|be|bi|bo|ca|ce|co|da|de|di|do|fa|fe|fi|ga|go|ha|hi|jo|ka|"
    "ki|ko|la|le|li|lo|lu|ma|me|mi|mo|na|ne|ni|no|pa|pe|pi|po|qua|"
    "ra|re|ri|ro|sa|se|si|so|ta|te|ti|to|tra|va|ve|vi|vo|xa|ya|ze|"
    "zo|zu"
)


def pick(rng: Random, *options: str) -> str:
    """One of ``options``, each as likely as the others."""
    return options[rng.randrange(len(options))]


def invented(rng: Random) -> str:
    """A name nobody has heard of, so that names as such carry no label."""
    word = "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3)))
    return rng.choice(
        (
            word.capitalize(),
            word,
            word.upper(),
            word.capitalize() + rng.choice((" Labs", " DAO", " Finance", "Swap")),
        )
    )


def token(rng: Random) -> str:
    """A token's ticker, sometimes an invented one or in lower case."""
    name = rng.choice(TOKENS) if rng.random() < 0.85 else invented(rng).split()[0][:5].upper()
    return name.lower() if rng.random() < 0.1 else name


def two_tokens(rng: Random) -> tuple[str, str]:
    """Two different tickers."""
    first, second = token(rng), token(rng)
    while second.lower() == first.lower():
        second = token(rng)
    return first, second


def amount(rng: Random) -> str:
    """A quantity as people write it."""
    kind = rng.randrange(7)
    if kind == 0:
        return str(rng.randint(1, 99))
    if kind == 1:
        return f"{rng.randint(1, 999) * 1000:,}"
    if kind == 2:
        return f"{rng.randint(1, 9)}.{rng.randint(1, 99)}"
    if kind == 3:
        return f"{rng.randint(1, 500)}k"
    if kind == 4:
        return f"0.{rng.randint(1, 999)}"
    if kind == 5:
        return str(rng.randint(100, 9999))
    return pick(
        rng,
        "some",
        "all my",
        "half of my",
        "a few",
        "1",
        "10",
        "100",
        "two",
        "five",
        "a million",
        "1.5 million",
    )


def address(rng: Random) -> str:
    """An address, whole or shortened."""
    digits = "0123456789abcdef"
    length = rng.choice((2, 3, 4, 4, 6, 40))
    body = "".join(rng.choice(digits) for _ in range(length))
    tail = (
        rng.choice(("", "...", "..." + "".join(rng.choice(digits) for _ in range(4)))) if length < 40 else ""
    )
    return "0x" + body + tail


def person(rng: Random) -> str:
    """Somebody who receives or sends: a name, an ENS name or an address."""
    kind = rng.randrange(6)
    name = rng.choice(PEOPLE) if rng.random() < 0.8 else invented(rng).split()[0]
    if kind == 0:
        return name.capitalize()
    if kind == 1:
        return name
    if kind == 2:
        return f"{name}.eth"
    if kind == 3:
        return rng.choice(PLACES)
    return address(rng)


def exchange(rng: Random) -> str:
    """Where tokens are traded."""
    return rng.choice(EXCHANGES) if rng.random() < 0.85 else invented(rng)


def protocol(rng: Random) -> str:
    """What a proposal is about."""
    return rng.choice(PROTOCOLS) if rng.random() < 0.8 else invented(rng)


def recase(rng: Random, text: str) -> str:
    """The same sentence as hurried people write it: lower case, upper-case first letter, no full stop."""
    kind = rng.random()
    if kind < 0.25:
        text = text.lower()
    elif kind < 0.75:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.03:
        text = text.upper()
    if rng.random() < 0.4:
        text = text.rstrip(".")
    elif not text.endswith((".", "!", "?")):
        text += "."
    return text

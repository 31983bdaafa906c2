"""Short DAO proposals with a category and a risk."""

from __future__ import annotations

from random import Random

from inference.demo import loose_proposals
from inference.demo.words import amount, invented, person, pick, protocol, recase, token

CATEGORIES = ("treasury", "parameter", "upgrade", "membership", "spam", "other")
RISKS = ("low", "medium", "high")
LOOSE = 0.6
"""Share of descriptions whose parts are joined freely."""


def _money(rng: Random) -> str:
    return f"{amount(rng)} {pick(rng, 'USDC', 'USDC', 'DAI', 'ETH', token(rng), 'tokens', 'dollars')}"


def treasury(rng: Random) -> tuple[str, str]:
    """Spending, granting, investing. Risk grows with the share and with missing controls."""
    m, p = _money(rng), protocol(rng)
    who = pick(
        rng,
        "the audit team",
        "the core developers",
        "the grants program",
        f"{invented(rng)}",
        "contributors",
        "the marketing team",
        "the working group",
        "the security auditors",
        "the legal team",
        "the documentation writers",
        "the community fund",
        "delegates",
        "a market maker",
        "the bug bounty",
        person(rng),
        "the research group",
        "the events team",
    )
    verb = pick(
        rng,
        "pay",
        "fund",
        "grant",
        "allocate",
        "send",
        "transfer",
        "give",
        "award",
        "reimburse",
        "spend",
        "release",
        "disburse",
        "budget",
    )
    src = pick(
        rng,
        "",
        " from the treasury",
        " from the treasury",
        " out of the treasury",
        " from the DAO treasury",
        " from the community fund",
        " from reserves",
    )
    purpose = pick(
        rng,
        "",
        " for the audit",
        " for Q3",
        " for the year 2025",
        " for grants",
        " to build a dashboard",
        " for a hackathon",
        " for security work",
        " to cover server costs",
        " to write documentation",
        " for liquidity incentives",
    )
    kind = rng.randrange(6)
    if kind == 0:
        return pick(
            rng,
            f"{verb} the entire treasury to {person(rng)}",
            f"move all funds{src} to {person(rng)} without a multisig",
            "send everything in the treasury to a single wallet",
            f"invest the whole treasury in {token(rng)} with leverage",
            f"bet half of the treasury on {token(rng)}",
            f"lend all reserves to {invented(rng)} without collateral",
        ), "high"
    if kind == 1:
        return pick(
            rng,
            f"diversify the treasury: convert {m} into stablecoins",
            f"invest {m}{src} in {invented(rng)}",
            f"stake {m} of the treasury with {p}",
            f"provide {m}{src} as liquidity on {p}",
            f"buy back {m} worth of the token{src}",
            f"lend {m}{src} to {p}",
            f"swap {m} of treasury holdings to ETH",
            f"buy {m} of {token(rng)} for the treasury",
        ), "medium"
    return pick(
        rng,
        f"{verb} {m}{src} to {who}{purpose}",
        f"{verb} {who} {m}{src}{purpose}",
        f"budget of {m} for {who}{purpose}",
        f"{p}: {verb} {m} to {who}{purpose}",
        f"grant request: {m} for {who}{purpose}",
        f"renew the contract of {who} for {m}{src}",
        f"compensate {who} with {m}{src}",
        f"monthly salary of {m} for {who}",
        f"we ask for {m}{purpose}, paid to {who}",
        f"retroactive funding of {m} to {who}{purpose}",
        f"should we {verb} {m}{src} to {who}{purpose}",
        f"quarterly spending plan: {m}{purpose}",
    ), "low"


def parameter(rng: Random) -> tuple[str, str]:
    """A number of the protocol changes."""
    p, t = protocol(rng), token(rng)
    name = pick(
        rng,
        "the quorum",
        "the protocol fee",
        "the swap fee",
        "the interest rate",
        "the liquidation threshold",
        "the collateral factor",
        "the voting period",
        "the voting delay",
        "the timelock",
        "the debt ceiling",
        "the reserve factor",
        "the minimum stake",
        "the block gas limit",
        "the supply cap",
        "the borrow cap",
        "the proposal threshold",
        "the slashing penalty",
        "the reward rate",
        "the epoch length",
        "the unbonding period",
        "the inflation rate",
        "the stability fee",
        "the loan to value ratio",
        "the withdrawal delay",
        "the oracle deviation",
        "the committee size",
        "the emission rate",
        "the deposit limit",
    )
    verb = pick(
        rng,
        "raise",
        "lower",
        "increase",
        "decrease",
        "change",
        "set",
        "reduce",
        "adjust",
        "cut",
        "double",
        "halve",
        "update",
        "tune",
    )
    a, b = rng.randint(1, 20), rng.randint(1, 40)
    unit = pick(rng, "%", "%", "%", " days", " hours", " bps", "")
    of = pick(rng, "", f" of {p}", f" on {p}", f" for {t}", f" for the {t} market")
    kind = rng.randrange(5)
    if kind == 0:
        guard = pick(
            rng, "the timelock", "the quorum", "all limits", "the voting delay", "the withdrawal delay"
        )
        owner = pick(rng, "the governor", "the protocol", p)
        return pick(
            rng,
            f"set the timelock to zero{of}",
            "set the quorum to 0%",
            "remove the timelock",
            f"set the collateral factor of {t} to 100%",
            "lower the quorum to 1 vote",
            "disable the withdrawal limit",
            "set the liquidation penalty to zero",
            "turn off the price checks of the oracle",
            f"remove {guard} from {owner}",
            f"abolish {name}{of}",
            f"remove {name}{of} entirely",
        ), "high"
    risky = any(
        k in name for k in ("liquidation", "collateral", "debt", "slashing", "oracle", "loan", "borrow")
    )
    return pick(
        rng,
        f"{verb} {name}{of} from {a}{unit} to {b}{unit}",
        f"{verb} {name}{of} to {b}{unit}",
        f"{p}: {verb} {name} to {b}{unit}",
        f"{verb} {name}{of} by {a}{unit}",
        f"{verb} {name}{of}",
        f"{name[4:]} change: {a}{unit} -> {b}{unit}{of}",
        f"new value for {name}: {b}{unit}{of}",
        f"this proposal would {verb} {name}{of} from {a}{unit} to {b}{unit}",
        f"should {name} be {b}{unit} instead of {a}{unit}",
    ), "medium" if risky else "low"


def upgrade(rng: Random) -> tuple[str, str]:
    """Code changes: contracts, clients, deployments."""
    p = protocol(rng)
    v = f"v{rng.randint(1, 5)}{rng.choice(('', '.' + str(rng.randint(0, 9))))}"
    thing = pick(
        rng,
        "the gateway contract",
        "the bridge contract",
        "the staking contract",
        "the governor",
        "the proxy",
        "the token contract",
        "the oracle adapter",
        "the vault",
        "the router",
        "the lending pool",
        "the registry",
        "the implementation",
        "the node software",
        "the smart contracts",
        "the settlement layer",
        "the verifier",
    )
    kind = rng.randrange(5)
    if kind == 0:
        return pick(
            rng,
            f"upgrade {thing} to unaudited code",
            f"replace {thing} with an unverified contract",
            f"give {person(rng)} the admin key of {thing}",
            f"transfer ownership of {thing} to {person(rng)}",
            f"upgrade {thing} immediately without a timelock",
            f"deploy {v} of {thing} without an audit",
            f"make {person(rng)} the only upgrade admin of {thing}",
        ), "high"
    return pick(
        rng,
        f"upgrade {thing} to {v}",
        f"upgrade {p} to {v}",
        f"deploy {p} {v} on {pick(rng, 'Base', 'Arbitrum', 'Optimism', 'Polygon', 'zkSync', 'Scroll')}",
        f"migrate {thing} to {v}",
        f"replace {thing} with the audited {v}",
        f"{p} {v}: new implementation of {thing}",
        f"fix the bug in {thing} and redeploy",
        f"hard fork to enable {invented(rng)}",
        f"activate {p} {v} at block {rng.randint(1, 30)}000000",
        f"patch the reentrancy bug in {thing}",
        f"switch {thing} to a new implementation",
        f"add support for "
        f"{pick(rng, 'EIP-4844', 'EIP-2537', 'account abstraction', 'permit', 'flash loans')} to {thing}",
        f"ship release {v} of {thing}",
        f"deprecate {thing} and move users to {v}",
        f"integrate Chainlink price feeds into {thing}",
        f"new code for {thing}, audited by {invented(rng)}",
    ), pick(rng, "medium", "medium", "medium")


def membership(rng: Random) -> tuple[str, str]:
    """Who belongs: members, councils, signers, operators, delegates."""
    who, p = pick(rng, person(rng), person(rng), invented(rng)), protocol(rng)
    role = pick(
        rng,
        "the council",
        "the security council",
        "the multisig",
        "the DAO",
        "the operator set",
        "the committee",
        "the grants committee",
        "the board",
        "the validator set",
        "the working group",
        "the whitelist",
        "the guild",
    )
    title = pick(
        rng,
        "member",
        "delegate",
        "signer",
        "council member",
        "operator",
        "steward",
        "core contributor",
        "moderator",
        "validator",
        "guardian",
        "board member",
        "representative",
    )
    kind = rng.randrange(7)
    if kind == 0:
        return pick(
            rng,
            f"remove all signers of the multisig except {who}",
            f"make {who} the sole member of {role}",
            f"expel every member of {role}",
            f"reduce the multisig to 1 of 1 with {who} as signer",
            f"give {who} permanent control over {role}",
        ), "high"
    return pick(
        rng,
        f"add {who} to {role}",
        f"remove {who} from {role}",
        f"elect {who} as {title}",
        f"admit {who} as a new {title}",
        f"appoint {who} as {title} of {p}",
        f"expel {who} from {role}",
        f"accept {who} into {role}",
        f"replace {who} with {person(rng)} as {title}",
        f"{who} applies to become a {title}",
        f"nominate {who} for {role}",
        f"onboard {who} as {title}",
        f"ban {who} from {role}",
        f"election of {rng.randint(2, 9)} new {title}s",
        f"rotate the signers of {role}",
        f"renew the mandate of {who} as {title}",
        f"vote {who} into {role}",
        f"should {who} join {role}",
        f"{who} resigns from {role} and {person(rng)} takes over",
        f"expand {role} from {rng.randint(3, 5)} to {rng.randint(6, 9)} people",
    ), "low"


def spam(rng: Random) -> tuple[str, str]:
    """Scams, advertising, nonsense."""
    t, n = token(rng), amount(rng)
    site = (
        pick(rng, "http://", "https://", "www.", "")
        + invented(rng).lower().replace(" ", "")
        + pick(rng, ".xyz", ".io", ".claim", "-airdrop.com", ".top", ".net")
    )
    return pick(
        rng,
        f"claim your free {t} airdrop at {site}",
        f"congratulations, you won {n} {t}! connect your wallet at {site}",
        f"send {n} {t} and get back double",
        f"buy {t} now, 100x guaranteed",
        f"free {t} for the first 100 users, visit {site}",
        f"visit {site} to claim your reward",
        "join my telegram group for trading signals",
        f"{invented(rng)} {invented(rng)} {invented(rng)} {invented(rng)}",
        "asdf asdf asdf",
        "test test test",
        "hello hello buy my coin",
        f"{t} to the moon!!! buy buy buy",
        f"cheap watches and pills at {site}",
        "follow me on twitter for a giveaway",
        f"enter your seed phrase at {site} to receive {n} {t}",
        f"urgent: verify your wallet at {site}",
        "lol",
        "first",
        "make money fast from home",
        f"earn {n}% per day with our bot",
        f"exclusive presale of {invented(rng)}, last chance",
        "click here for a free NFT",
        f"double your {t} in one day",
        f"dear user your wallet is locked, restore it at {site}",
        f"check out my new coin {invented(rng)}",
    ), "high"


def other(rng: Random) -> tuple[str, str]:
    """Everything else a DAO talks about: culture, surveys, statements, events."""
    p = protocol(rng)
    city = pick(rng, "Lisbon", "Berlin", "Denver", "Singapore", "Paris", "Bangkok", "Prague", "Istanbul")
    return pick(
        rng,
        f"new logo for {p}",
        "change the color of the website",
        f"hold the annual meeting in {city}",
        "publish a code of conduct",
        f"thank {person(rng)} for their work",
        f"survey: what do you want from {p} next year",
        "rename the forum",
        f"start a podcast about {p}",
        f"move the weekly call to {pick(rng, 'Monday', 'Tuesday', 'Thursday', 'Friday')}",
        f"partnership with {invented(rng)}",
        "sign an open letter on privacy",
        "adopt a mission statement",
        f"rebrand {p} to {invented(rng)}",
        "choose a mascot",
        f"organize a meetup in {city}",
        "set up a newsletter",
        f"translate the website into {pick(rng, 'Spanish', 'Chinese', 'French', 'German', 'Japanese')}",
        "temperature check on the roadmap",
        f"create a forum category for {pick(rng, 'research', 'memes', 'support')}",
        f"statement of support for {invented(rng)}",
        "publish meeting notes every week",
        "poll about the name of the next release",
        "adopt a new constitution for the forum",
        "discuss the strategy for next year",
        f"attend the conference in {city}",
    ), "low"


MAKERS = {
    "treasury": treasury,
    "parameter": parameter,
    "upgrade": upgrade,
    "membership": membership,
    "spam": spam,
    "other": other,
}


def make(rng: Random) -> tuple[str, str, str]:
    """A proposal, its category and its risk."""
    category = rng.choice(CATEGORIES)
    text, risk = (loose_proposals.MAKERS if rng.random() < LOOSE else MAKERS)[category](rng)
    return recase(rng, text), category, risk

"""Proposals in many words: what is done, to what and how are drawn apart and joined freely."""

from __future__ import annotations

from random import Random

from inference.demo.words import amount, invented, listed, person, pick, protocol, token

Found = tuple[str, str]
"""A proposal and its risk."""

_COSTS = listed(
    "conference booth|hackathon prizes|travel costs|office rent|legal advice|the accountants|market making|the audit"
    "|the podcast|a documentary|translations|design work|hosting|servers|insurance|hardware|stickers|merchandise"
    "|research|scholarships|developer salaries|the moderators|the grants round|community events|accounting software"
    "|the domain name|education|the security team|a workshop|the newsletter editor|the video team|the summer school"
    "|a data dashboard|user interviews|an explorer|a mobile app|the hackathon|the annual report|a new laptop"
    "|the ambassadors|the lawyers|the tax adviser|a recruiter|the bounty program|the analytics team|the art contest"
)
_PAY = listed(
    "pay|fund|finance|sponsor|cover|spend|grant|allocate|set aside|approve|release|donate|give|send|award|reimburse"
    "|contribute|transfer|disburse|commit|hand out|earmark|refund|budget|stream"
)

_NUMBERS = listed(
    "interest rate|borrow rate|swap fee|protocol fee|supply cap|borrow cap|debt limit|liquidation threshold"
    "|liquidation bonus|liquidation penalty|quorum|voting period|voting window|voting delay|proposal threshold"
    "|timelock delay|reserve factor|collateral factor|loan-to-value ratio|minimum stake|maximum stake|minimum deposit"
    "|deposit cap|withdrawal limit|withdrawal delay|cooldown|lock-up period|grace period|bond|reward per block"
    "|emission rate|inflation rate|slippage tolerance|price deviation|oracle heartbeat|epoch length|batch size"
    "|gas limit|fee split|base rate|utilization target|number of validators|number of seats|number of signatures"
    "|committee size|unbonding time|commission|performance fee|withdrawal fee|exit fee|borrow limit|auction duration"
    "|discount|slashing amount|block time|message fee|safety margin|tick spacing|staking reward|delegation limit"
)
_UP = listed("raise|increase|lift|bump|double|expand|extend|triple|push up")
_DOWN = listed("lower|reduce|cut|decrease|halve|shorten|drop|shrink|trim|bring down")
_SET = listed("set|change|adjust|update|fix|move|tune|alter|reset|modify")

_CODE = listed(
    "router|vault|staking contract|reward contract|oracle|governor|bridge|token contract|timelock contract|factory"
    "|pool implementation|proxy|node software|indexer|sequencer|verifier|SDK|lending pool|registry|gateway|settlement"
    " contract|fee collector|client|minter|wrapper|adapter|auction house|account contract|escrow|distributor|hooks"
    "|liquidation engine|message relay|price feed|voting contract|smart contracts|contracts|protocol"
)
_CHAINS = listed(
    "Base|Arbitrum|Optimism|Polygon|zkSync|Scroll|Linea|Gnosis Chain|mainnet|Starknet|a testnet|Avalanche"
)

_GROUPS = listed(
    "the council|the security council|the multisig|the committee|the grants committee|the board|the validator set"
    "|the working group|the whitelist|the guild|the operator set|the risk team|the election committee|the foundation"
    " board|the emergency team|the delegates|the treasury committee|the moderation team|the DAO|the ethics council"
)
_ROLES = listed(
    "member|delegate|signer|council member|operator|steward|contributor|moderator|validator|guardian|board member"
    "|representative|treasurer|chair|secretary|facilitator|lead|ambassador|reviewer|arbitrator|key holder|observer"
)

_BAIT = listed(
    "free tokens|a free NFT|an airdrop|a giveaway|a secret presale|guaranteed profit|passive income|a casino bonus"
    "|instant cash|easy money|a trading signal group|cheap followers|a miracle pill|a loan without checks|100x gains"
    "|double rewards|a lottery prize|a gift card|forex tips|a private sale|daily returns of 5%|a welcome bonus"
)
_KEYS = listed("asdf|qwer|zxcv|lorem|foo|bar|blah|xxx|lol|hjkl|aaa|qqq|wtf|test|dfgh|uiop|haha|abc|123")

_CULTURE = listed(
    "a summer party|a retreat|a meetup|a hiking day|a book club|a film night|a chess tournament|a quiz evening|an open"
    " day|a panel discussion|a community call|an annual dinner|a birthday party of the protocol|a photo contest"
    "|office hours|a town hall|an essay competition|a walking tour|a reading circle|a coffee chat|a game night"
)
_SIGNS = listed(
    "logo|mascot|slogan|website color|anthem|name of the forum|profile picture|banner|motto|newsletter title|font"
    "|meeting time|meeting language|code of conduct|mission statement|style guide|community values|blog|calendar"
    "|welcome page|forum categories|chat server|documentation style|glossary|FAQ|emoji|theme of the conference"
)


def _money(rng: Random) -> str:
    return f"{amount(rng)} {pick(rng, 'USDC', 'USDC', 'DAI', 'ETH', token(rng), 'dollars', 'USD', 'euros', 'tokens')}"


def _when(rng: Random) -> str:
    if rng.random() < 0.65:
        return ""
    return " " + pick(
        rng, "for a year", "for six months", "next quarter", "each month", "from January on", "this season", "in 2026",
        "as discussed in the forum", "until further notice", "starting next week", "per quarter", "for now",
    )  # fmt: skip


def _frame(rng: Random, text: str) -> str:
    """The sentence as it stands, or in the mouth of somebody who proposes it."""
    if rng.random() < 0.7:
        return text
    return pick(
        rng, f"we should {text}", f"let us {text}", f"please {text}", f"motion to {text}", f"I propose to {text}",
        f"the DAO should {text}", f"vote to {text}", f"shall we {text}", f"it is time to {text}", f"request to {text}",
        f"this proposal asks to {text}", f"we want to {text}", f"the plan is to {text}", f"time to {text}",
    )  # fmt: skip


def treasury(rng: Random) -> Found:
    """Money of the DAO goes somewhere."""
    m, p, cost = _money(rng), rng.choice(_PAY), rng.choice(_COSTS)
    who = (
        person(rng)
        if rng.random() < 0.5
        else pick(
            rng, "the developers", "the designers", invented(rng), "the team", "our partner", "the organizers"
        )
    )
    if rng.random() < 0.12:
        return pick(
            rng,
            f"{p} everything we own to {who}",
            f"give {who} the whole treasury",
            f"put all reserves on {token(rng)}",
            f"hand control of all funds to {who}",
            f"empty the treasury into {invented(rng)}",
            f"send all of the DAO's money to {who}",
        ), "high"
    if rng.random() < 0.15:
        return pick(
            rng,
            f"invest {m} of the treasury in {pick(rng, token(rng), 'bonds', 'a startup', invented(rng), 'another fund')}",
            f"put {m} of the treasury into {pick(rng, 'bonds', 'staking', 'a yield vault', 'a lending market')}",
            f"convert {m} of the treasury to {token(rng)}",
            f"buy {token(rng)} worth {m} with treasury money",
            f"lend {m} from the treasury to {protocol(rng)}",
        ), "medium"
    text = pick(
        rng,
        f"{p} {m} for {cost}",
        f"{p} {m} on {cost}" if p == "spend" else f"{p} {m} to {who} for {cost}",
        f"{p} {who} {m} for {cost}",
        f"{p} {cost} with {m}",
        f"{p} {cost}",
        f"{p} {rng.randint(1, 15)}% of the treasury to {pick(rng, 'liquidity providers', 'contributors', 'stakers', 'the grants pool', 'public goods', cost)}",
        f"use {m} of {pick(rng, 'our funds', 'the treasury', 'reserves', 'the budget')} for {cost}",
        f"buy {cost} for {m}",
        f"rent {pick(rng, 'an office', 'a room', 'servers', 'a booth')} for {m}",
        f"{p} the invoice of {who} over {m}",
        f"hire {who} for {m}",
    )
    nouns = pick(
        rng,
        f"a budget of {m} for {cost}",
        f"{m} for {cost}",
        f"a salary of {m} for {who}",
        f"a bounty of {m} for {who}",
        f"funding request: {cost}, {m}",
        f"payment to {who}: {m}, {cost}",
        f"expenses of {who} for {cost}: {m}",
        f"{who} asks for {m} for {cost}",
    )
    return (_frame(rng, text) if rng.random() < 0.75 else nouns) + _when(rng), "low"


def parameter(rng: Random) -> Found:
    """A number of the protocol changes."""
    name, t = rng.choice(_NUMBERS), token(rng)
    a, b = rng.randint(1, 90), rng.randint(1, 90)
    unit = pick(
        rng,
        "%",
        "%",
        "%",
        " days",
        " hours",
        " bps",
        "",
        " ETH",
        " million",
        " blocks",
        " minutes",
        f" {t}",
        "x",
    )
    of = pick(
        rng, "", "", f" of {protocol(rng)}", f" for {t}", f" on {t} loans", f" for {t} deposits", f" of the {t} pool",
        f" of the {t} vault", f" for {t} borrowers", " of the protocol", " for stablecoins", f" in the {t} market",
        " of an operator", " in the committee", " for new users",
    )  # fmt: skip
    if rng.random() < 0.12:
        return pick(
            rng,
            f"{pick(rng, 'abolish', 'remove', 'drop', 'scrap', 'switch off', 'get rid of')} the {name}{of}",
            f"set the {name}{of} to zero",
            "no more timelock",
            f"unlimited borrowing{of}",
            f"let anyone change the {name}{of}",
        ), "high"
    risky = any(
        word in name
        for word in ("liquidation", "collateral", "debt", "slash", "loan", "borrow", "oracle", "price")
    )
    verb = rng.choice(rng.choice((_UP, _DOWN, _SET)))
    text = pick(
        rng,
        f"{verb} the {name}{of} from {a}{unit} to {b}{unit}",
        f"{verb} the {name}{of} to {b}{unit}",
        f"{verb} the {name}{of}",
        f"{rng.choice(_UP)} the {name}{of} by {a}{unit}",
        f"{rng.choice(_DOWN)} the {name}{of} by {a}{unit}",
        f"{pick(rng, 'cap', 'limit')} {pick(rng, 'borrowing', 'deposits', 'minting', 'withdrawals', 'lending', 'supply')} of {t} {pick(rng, 'at', 'to')} {b}{unit}",
        f"{pick(rng, 'shorten', 'extend', 'lengthen')} the {name} to {b}{pick(rng, ' days', ' hours', ' blocks', ' weeks')}",
        f"make the {name}{of} {b}{unit}",
        f"{pick(rng, 'raise', 'lower')} {name}s{of} to {b}{unit}",
        f"have a {name} of {b}{unit}{of}",
        f"{pick(rng, 'allow', 'require')} at {pick(rng, 'most', 'least')} {b}{unit} as {name}{of}",
    )
    plain = pick(
        rng,
        f"{name}{of}: {a}{unit} -> {b}{unit}",
        f"the {name}{of} should be {b}{unit}",
        f"the {name}{of} should go from {a}{unit} to {b}{unit}",
        f"{name} on {t} should be {b}{unit}",
        f"a {pick(rng, 'higher', 'lower', 'smaller', 'larger', 'shorter', 'longer', 'new')} {name}{of}",
        f"{name}{of} is too {pick(rng, 'high', 'low')}: {b}{unit} instead of {a}{unit}",
    )
    return (_frame(rng, text) if rng.random() < 0.7 else plain) + _when(rng), "medium" if risky else "low"


def upgrade(rng: Random) -> Found:
    """Code changes."""
    thing = ("the " if rng.random() < 0.8 else "our ") + rng.choice(_CODE)
    v = pick(rng, f"v{rng.randint(2, 6)}", f"version {rng.randint(2, 9)}.{rng.randint(0, 9)}", "version two", "its second version",
             "the new version", "the next release", f"release {rng.randint(1, 9)}.{rng.randint(0, 9)}", "the latest code", "a new implementation",
             "its successor")  # fmt: skip
    chain = rng.choice(_CHAINS)
    if rng.random() < 0.12:
        return pick(
            rng,
            f"upgrade {thing} {pick(rng, 'without an audit', 'with untested code', 'at once, no audit', 'to code nobody has reviewed')}",
            f"deploy {pick(rng, 'unaudited', 'unreviewed', 'closed-source', 'experimental')} code as {thing}",
            f"let {person(rng)} upgrade {thing} alone",
            f"hand the upgrade keys of {thing} to {person(rng)}",
        ), "high"
    text = pick(
        rng,
        f"upgrade {thing} to {v}",
        f"{pick(rng, 'migrate', 'move', 'switch', 'bring', 'update', 'port')} {thing} to {v}",
        f"{pick(rng, 'replace', 'swap out', 'exchange')} the old {rng.choice(_CODE)} {pick(rng, 'by', 'with')} {pick(rng, 'a new one', 'the new one', v)}",
        f"replace {thing} {pick(rng, 'by', 'with')} {pick(rng, 'an audited version', v, 'a faster one', 'new code')}",
        f"{pick(rng, 'deploy', 'launch', 'release', 'ship', 'roll out', 'install', 'port')} {thing} {pick(rng, 'on', 'to')} {chain}",
        f"{pick(rng, 'deploy', 'launch', 'release', 'ship', 'roll out', 'activate', 'publish')} {v} of {thing}",
        f"{pick(rng, 'fix', 'patch', 'repair', 'correct')} {pick(rng, 'a bug', 'the bug', 'a critical bug', 'an overflow', 'the rounding error', 'a vulnerability', 'a reentrancy hole')} in {thing}",
        f"{pick(rng, 'rewrite', 'refactor', 'redeploy', 'recompile', 'modernize')} {thing}{pick(rng, '', ' in Vyper', ' with Solidity 0.8', ' for less gas')}",
        f"add {pick(rng, 'permit', 'EIP-712 signatures', 'batch calls', 'flash loans', 'account abstraction', 'a pause switch', 'meta-transactions')} to {thing}",
        f"{pick(rng, 'enable', 'activate', 'support', 'implement')} {pick(rng, 'EIP-4844', 'EIP-1559', 'EIP-7702', 'blob transactions', 'cross-chain messages', 'native staking')} in {thing}",
        f"{pick(rng, 'bring', 'deploy', 'launch')} {protocol(rng)} {pick(rng, 'to', 'on')} {chain}",
        f"integrate {pick(rng, 'Chainlink', 'Safe', 'Pyth', invented(rng))} into {thing}",
        f"merge the pull request that changes {thing}",
    )
    plain = pick(
        rng,
        f"{protocol(rng)} {v}: {pick(rng, 'go live', 'deployment', 'launch', 'upgrade')} on {chain}",
        f"{pick(rng, 'new', 'better', 'faster', 'audited')} {rng.choice(_CODE)} for {protocol(rng)}",
        f"{pick(rng, 'contract', 'code', 'software', 'client')} upgrade: {rng.choice(_CODE)}",
        f"bug fix for {thing}",
        f"hard fork {invented(rng)}",
    )
    return (_frame(rng, text) if rng.random() < 0.75 else plain) + _when(rng), "medium"


def membership(rng: Random) -> Found:
    """People come, go and change places."""
    who = (
        person(rng)
        if rng.random() < 0.8
        else pick(
            rng,
            "the inactive signer",
            "the delegate who sold votes",
            "our longest contributor",
            invented(rng),
        )
    )
    group, role = rng.choice(_GROUPS), rng.choice(_ROLES)
    if rng.random() < 0.1:
        return pick(
            rng,
            f"dissolve {group} and leave {who} in charge",
            f"remove everybody from {group} but {who}",
            f"make {who} the only {role} for ever",
            f"one signature of {who} is enough for {group}",
        ), "high"
    text = pick(
        rng,
        f"{pick(rng, 'appoint', 'elect', 'name', 'confirm', 'reinstate', 'promote', 'choose')} {who} as {pick(rng, 'a ', 'the ', '', 'a new ')}{role}",
        f"{pick(rng, 'appoint', 'elect', 'welcome', 'admit', 'invite', 'vote', 'accept')} {who} {pick(rng, 'to', 'into')} {group}",
        f"{pick(rng, 'welcome', 'accept', 'take on', 'admit')} {who} as a new {role} of {group}",
        f"{pick(rng, 'remove', 'expel', 'ban', 'dismiss', 'exclude', 'suspend', 'kick', 'drop')} {who} from {group}",
        f"{pick(rng, 'remove', 'ban', 'dismiss', 'suspend', 'expel')} the {role} {pick(rng, 'who', 'that')} {pick(rng, 'was offline for weeks', 'missed every vote', 'broke the rules', 'leaked secrets', 'sold votes', 'never shows up', 'signed twice')}",
        f"{pick(rng, 'remove', 'ban', 'dismiss', 'suspend', 'expel')} {who}, who {pick(rng, 'missed every vote', 'broke the rules', 'has been absent', 'abused the role')}",
        f"replace {who} by {person(rng)} in {group}",
        f"{pick(rng, 'hold', 'call', 'organize')} {pick(rng, 'elections', 'an election', 'a vote')} for {rng.randint(2, 9)} seats {pick(rng, 'on', 'in')} {group}",
        f"extend the {pick(rng, 'term', 'mandate')} of {who} {pick(rng, 'in', 'on')} {group}",
        f"{pick(rng, 'open', 'close')} applications for {group}",
        f"fill the {pick(rng, 'vacant', 'empty', 'open')} seat {pick(rng, 'on', 'in')} {group} with {who}",
        f"give {who} a seat {pick(rng, 'on', 'in')} {group}",
        f"revoke the {role} role of {who}",
        f"onboard {rng.randint(2, 9)} new {role}s",
    )
    plain = pick(
        rng,
        f"{who} wants to join {group}",
        f"{who} steps down as {role}",
        f"{who} {pick(rng, 'for', 'as')} {role}",
        f"{pick(rng, 'nomination', 'application', 'candidacy', 'removal', 'election')} of {who} as {role}",
        f"new {role} of {group}: {who}",
        f"membership of {who} in {group}",
    )
    return (_frame(rng, text) if rng.random() < 0.75 else plain) + _when(rng), "low"


def spam(rng: Random) -> Found:
    """Bait and noise."""
    bait = rng.choice(_BAIT)
    site = (
        invented(rng).lower().replace(" ", "")
        + pick(rng, "", "-" + pick(rng, "yield", "win", "bonus", "drop"))
        + pick(rng, ".xyz", ".io", ".win", ".click", ".site", ".com", ".shop")
    )
    if rng.random() < 0.3:
        words = [
            rng.choice(_KEYS)
            if rng.random() < 0.6
            else "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 7)))
            for _ in range(rng.randint(1, 5))
        ]
        return " ".join(words), "high"
    return pick(
        rng,
        f"{pick(rng, 'get', 'claim', 'win', 'earn', 'grab', 'receive')} {bait} at {site}",
        f"{pick(rng, 'get', 'claim', 'win', 'earn', 'grab')} {bait} {pick(rng, 'now', 'today', 'fast', 'before it is too late')}!",
        f"you {pick(rng, 'have been selected', 'were chosen', 'are the lucky winner', 'qualify')}: {bait}, {pick(rng, 'click the link', 'go to ' + site, 'connect your wallet', 'enter your keys')}",
        f"{pick(rng, 'connect', 'verify', 'unlock', 'validate')} your wallet {pick(rng, 'at', 'on')} {site}",
        f"buy {pick(rng, 'my', 'this', 'our')} {pick(rng, 'token', 'coin', 'NFT')}, it {pick(rng, 'will moon', 'only goes up', 'will make you rich', 'is the next bitcoin')}",
        f"get rich {pick(rng, 'quick', 'now', 'today', 'with ' + token(rng))}! {pick(rng, 'visit', 'see', 'join')} {site}",
        f"{pick(rng, 'send', 'deposit')} {amount(rng)} {token(rng)} and {pick(rng, 'receive twice as much', 'get triple back', 'we return double')}",
        f"{pick(rng, 'message', 'DM', 'contact', 'text')} me for {bait}",
        f"{bait} for {pick(rng, 'everyone', 'the first 500', 'early birds', 'you')}, {pick(rng, 'hurry up', 'limited offer', 'last chance', 'only today')}",
        f"{pick(rng, 'hot', 'exclusive', 'amazing', 'unbelievable')} offer: {bait}",
        f"share your {pick(rng, 'seed phrase', 'private key', 'password')} to {pick(rng, 'get', 'unlock')} {bait}",
        f"subscribe to my channel for {bait}",
    ), "high"


def other(rng: Random) -> Found:
    """What a community talks about besides money, code and offices."""
    sign, city = (
        rng.choice(_SIGNS),
        pick(
            rng, "Lisbon", "Berlin", "Rome", "Oslo", "Vienna", "Tokyo", "Nairobi", "Lima", "Athens", "Toronto"
        ),
    )
    text = pick(
        rng,
        f"{pick(rng, 'hold', 'organize', 'host', 'have', 'plan', 'celebrate with')} {rng.choice(_CULTURE)}{pick(rng, '', f' in {city}', ' online', ' in the office', ' every month')}",
        f"{pick(rng, 'change', 'choose', 'discuss', 'adopt', 'write', 'design', 'rethink', 'pick', 'redo', 'agree on')} {pick(rng, 'a new', 'the', 'our', 'another')} {sign}",
        f"{pick(rng, 'paint', 'decorate', 'clean', 'rename', 'rearrange')} {pick(rng, 'the office', 'the meeting room', 'the forum', 'the chat', 'the kitchen', 'the library')}",
        f"{pick(rng, 'run', 'start', 'open')} a {pick(rng, 'survey', 'poll', 'discussion', 'debate')} about {pick(rng, 'our goals', 'the future', 'remote work', 'the ' + sign, 'favourite books', 'the holidays', 'user experience')}",
        f"move the {pick(rng, 'call', 'meeting', 'community call', 'stand-up')} to {pick(rng, 'Monday', 'Wednesday', 'the morning', 'noon', '5 pm', 'every second week')}",
        f"{pick(rng, 'thank', 'congratulate', 'honour', 'remember', 'greet')} {pick(rng, person(rng), 'all volunteers', 'the early users', 'the founders')}",
        f"{pick(rng, 'publish', 'translate', 'improve', 'proofread')} the {pick(rng, 'handbook', 'meeting notes', 'guide for newcomers', 'FAQ', 'history of the DAO', 'white paper')}",
        f"{pick(rng, 'support', 'sign', 'endorse', 'publish')} {pick(rng, 'an open letter', 'a statement', 'a manifesto', 'a pledge')} {pick(rng, 'on privacy', 'for open source', 'about the climate', 'against censorship')}",
        f"{pick(rng, 'work', 'partner', 'cooperate', 'stay in touch')} with {pick(rng, 'a university', 'the city', invented(rng), 'other communities', 'a museum')}",
    )
    plain = pick(
        rng,
        f"new {sign}{pick(rng, '', ' for the project', ' for the DAO', f' for {protocol(rng)}')}",
        f"a {pick(rng, 'survey', 'poll', 'question')} about the {sign}",
        f"{pick(rng, 'ideas', 'feedback', 'thoughts')} on the {pick(rng, 'roadmap', 'website', 'community', 'forum', sign)}",
        f"what should {pick(rng, 'our', 'the')} {sign} be",
    )
    return _frame(rng, text) if rng.random() < 0.75 else plain, "low"


MAKERS = {
    "treasury": treasury,
    "parameter": parameter,
    "upgrade": upgrade,
    "membership": membership,
    "spam": spam,
    "other": other,
}

"""Prompts written by hand, in words of their own, to see what the demo model makes of people's questions.

They are no part of the corpus; do not tune it on them.
"""

from __future__ import annotations

from inference.demo.corpus import Example
from inference.demo.held_out_second import CATEGORIES as CATEGORIES_SECOND
from inference.demo.held_out_second import TRANSACTIONS
from inference.demo.proposals import CATEGORIES, RISKS
from inference.demo.transactions import LABELS

_TRANSACTIONS = """
Classify this transaction: Grandma wires me 50 DAI for my birthday => transfer
Classify this transaction: I changed 400 USDT into ETH using Uniswap => swap
Classify this transaction: A bot bought the token ahead of my order and sold it right afterwards => sandwich
What kind of transaction is this? 0x9f8e pays 12 USDC to the coffee shop => transfer
What kind of transaction is this? Bob trades his LINK for AAVE => swap
What kind of transaction is this? My swap sat between a buy and a sell of one address => sandwich
Transfer 0.25 BTC to my savings wallet. Type? => transfer
Swap all my DOGE to USDC please. Type? => swap
Attacker buys first, victim buys second, attacker sells third. Type? => sandwich
classify: 1000 USDC moved from the hot wallet to the cold wallet => transfer
classify: sold 3 NFTs' worth of APE for WETH on SushiSwap => swap
classify: bot front-runs a 200 ETH order, then back-runs it for profit => sandwich
Transaction: monthly rent, 900 DAI, from Anna to her landlord => transfer
Transaction: swapExactTokensForETH with path USDC, WETH => swap
Transaction: two trades of one bot wrap around a user's trade in the same block => sandwich
Is this a transfer, a swap or a sandwich? The DAO sends 5,000 USDC to a contributor => transfer
Is this a transfer, a swap or a sandwich? Liquidity pool takes in 2 ETH and gives out 7000 DAI => swap
Is this a transfer, a swap or a sandwich? Someone traded just before and just after the victim => sandwich
Label this transaction: Carol repays Dave the 3 ETH she owed him => transfer
Label this transaction: convert my stETH back to ETH on Curve => swap
Label this transaction: MEV bot 0xbad buys SHIB, user buys SHIB, MEV bot 0xbad sells SHIB => sandwich
What is this transaction? transfer(0x1234, 1000000) => transfer
What is this transaction? exchange 15 SOL for BNB at PancakeSwap => swap
What is this transaction? front-run plus back-run => sandwich
Classify: a refund of 40 USDC goes back to the customer => transfer
Classify: the trader exchanged her ARB tokens for OP tokens => swap
Classify this tx: gave my brother half an ether => transfer
Classify this tx: purchased 1500 UNI and paid with USDC on Uniswap V3 => swap
Classify this tx: someone sandwiched my Uniswap trade => sandwich
tx: donation of 1 ETH to Gitcoin => transfer
"""

_CATEGORIES = """
Proposal: spend 75,000 USDC on a bug bounty program. Category? => treasury
Proposal: lower the liquidation bonus for WBTC from 8% to 6%. Category? => parameter
Proposal: move the staking contract to its second version. Category? => upgrade
Proposal: welcome Ingrid as a new member of the grants council. Category? => membership
Proposal: Get rich now! Visit super-yield.xyz and connect your wallet. Category? => spam
Proposal: paint the office walls green. Category? => other
Classify this proposal: reimburse Tom 1,200 DAI for the conference booth => treasury
Classify this proposal: cap borrowing of CRV at 5 million => parameter
Classify this proposal: replace the old router by the new router contract => upgrade
Classify this proposal: remove the operator that was offline for a month => membership
Classify this proposal: you have been selected to receive 10 ETH, click the link => spam
Classify this proposal: let us hold a summer party in Rome => other
What category is this proposal? Pay the lawyers 30k for the new legal wrapper => treasury
What category is this proposal? Shorten the timelock to 24 hours => parameter
What category is this proposal? Ship protocol release 4.2 to mainnet => upgrade
What category is this proposal? Hold elections for three seats on the security council => membership
What category is this proposal? buy my token it will moon => spam
What category is this proposal? A survey about the favourite meeting time => other
What is this proposal about? Fund the podcast team with 8 ETH per quarter => treasury
What is this proposal about? Interest on stablecoin loans should be 5% => parameter
What is this proposal about? Deploy our contracts on Optimism => upgrade
What is this proposal about? Appoint Wei as a signer of the multisig => membership
Classify: give 2% of the treasury to the liquidity providers => treasury
Classify this governance proposal: increase the number of seats in a committee from 64 to 128 => parameter
Classify this governance proposal: fix a critical bug in the reward contract => upgrade
Classify this governance proposal: ban the delegate who sold his votes => membership
DAO proposal: send 100 ETH to 0xabc to pay for market making. Category? => treasury
DAO proposal: set the minimum stake of an operator to 5 ETH. Category? => parameter
DAO proposal: new slogan for the project. Category? => other
DAO proposal: zzz qqq aaa. Category? => spam
"""

_RISKS = """
Rate the risk: pay a translator 300 USDC => low
Rate the risk: give one person the keys to the whole treasury => high
How risky is this proposal? Upgrade the vault to audited version 2 => medium
How risky is this proposal? Deploy contract code that nobody has audited => high
Proposal: change the weekly call to Friday. Risk? => low
Proposal: send all funds of the DAO to a new address. Risk? => high
Proposal: invest 100,000 USDC of the treasury in another protocol. Risk? => medium
Proposal: raise the collateral factor of LINK to 75%. Risk? => medium
Proposal: add two members to the working group. Risk? => low
Proposal: abolish the quorum. Risk? => high
"""


def held_out() -> list[Example]:
    """The first set: prompts with the answers that people would give."""
    return _read(_TRANSACTIONS, _CATEGORIES, _RISKS)


def held_out_second() -> list[Example]:
    """The second set, without risks."""
    return _read(TRANSACTIONS, CATEGORIES_SECOND, "")


def _read(transactions: str, categories: str, risks: str) -> list[Example]:
    groups = (
        ("transaction", transactions, LABELS),
        ("category", categories, CATEGORIES),
        ("risk", risks, RISKS),
    )
    found = []
    for task, text, choices in groups:
        for line in text.strip().splitlines():
            prompt, _, answer = line.rpartition(" => ")
            found.append(Example(task, prompt, answer, choices))
    return found

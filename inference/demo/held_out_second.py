"""A second set of prompts written by hand, after the corpus was done and before the model was trained.

The first set (``held_out``) is older than the freely joined descriptions of the corpus, so this one says more
about wordings that nobody had in mind.
"""

from __future__ import annotations

TRANSACTIONS = """
Classify this transaction: Lena covers her half of the dinner with 22 USDC to Marco => transfer
Classify this transaction: got rid of my LDO for some plain ETH on Balancer => swap
Classify this transaction: a bot jumped the queue with a purchase, let mine execute, and sold at the higher price => sandwich
What kind of transaction is this? The treasury multisig tops up the payroll wallet with 30k USDC => transfer
What kind of transaction is this? 5,000 MATIC handed to the AMM for 2,900 USDT => swap
What kind of transaction is this? Two orders of the same searcher, one on each side of a retail buy => sandwich
Classify: 0.05 ETH from Nina to Oskar, thanks for the coffee => transfer
Classify: moved out of PEPE and into WBTC through 1inch => swap
Classify: the buyer paid more than quoted since somebody bought first and sold to the pool right after => sandwich
Payout of 640 DAI to the translator. Type? => transfer
Bought GRT for 300 dollars' worth of DAI. Type? => swap
Front-running buy, victim's buy, back-running sell. Type? => sandwich
Transaction: the museum receives 2 ETH from an anonymous donor => transfer
Transaction: USDT for DAI, one to one, on Curve => swap
Transaction: attacker brackets the user's 80 ETH swap with his own trades => sandwich
Is this a transfer, a swap or a sandwich? I lent my cousin 100 USDC => transfer
Is this a transfer, a swap or a sandwich? Anna gave the router 1 WETH and received 3,100 USDC => swap
Is this a transfer, a swap or a sandwich? Bot buys LINK, Jonas buys LINK, bot sells LINK, same block => sandwich
Label this transaction: annual membership fee, 120 DAI, to the hackerspace => transfer
Label this transaction: trade half of the SOL for USDC => swap
Label this transaction: our order was sandwiched on Uniswap by 0x77fe => sandwich
tx: refund of the ticket, 45 USDC, back to the visitor => transfer
tx: swapExactETHForTokens, path WETH to UNI => swap
tx: MEV searcher front-runs a whale and closes right behind it => sandwich
What is this transaction? Cold storage to hot wallet, 12 BTC => transfer
What is this transaction? convert 70 APE into ETH with CoW Swap => swap
What is this transaction? buy before the victim, sell after the victim => sandwich
classify this tx: paid the carpenter 900 USDC => transfer
classify this tx: exchanged DOGE against SHIB => swap
classify this tx: a trade squeezed in between two trades by the same bot => sandwich
"""

CATEGORIES = """
Classify this proposal: pay Clara 4,000 USDC for the new illustrations => treasury
Classify this proposal: bring the flash loan fee down to 0.05% => parameter
Classify this proposal: roll out the rewritten auction contract on Base => upgrade
Classify this proposal: take Kwame onto the risk committee => membership
Classify this proposal: double your ETH within an hour, just visit quick-coin.shop => spam
Classify this proposal: vote on a nicer font for our website => other
Proposal: 12,000 DAI for the developer conference in Porto. Category? => treasury
Proposal: the maximum leverage should be 10x instead of 20x. Category? => parameter
Proposal: patch the overflow in the distributor and redeploy it. Category? => upgrade
Proposal: Ravi leaves the multisig and Sofia takes his seat. Category? => membership
Proposal: FREE MINT!!! first come first served, connect wallet. Category? => spam
Proposal: have a picnic in the park with everybody. Category? => other
What category is this proposal? Buy insurance for the team at 9 ETH a year => treasury
What category is this proposal? Voting should last seven days rather than five => parameter
What category is this proposal? Support ERC-4626 in the vault contract => upgrade
What category is this proposal? Strip the inactive delegates of their role => membership
What category is this proposal? hjkl hjkl sdfg => spam
What category is this proposal? Start a reading group on economics => other
What is this proposal about? Top up the bounty pot by 50k USDC from the treasury => treasury
What is this proposal about? A cap of 2,000 WBTC on deposits => parameter
What is this proposal about? Switch the oracle adapter to its third version => upgrade
What is this proposal about? Let the operator 0x41d2 into the active set => membership
DAO proposal: reimburse the travel expenses of our speakers. Category? => treasury
DAO proposal: raise the proposal deposit to 500 tokens. Category? => parameter
DAO proposal: port the bridge to Solidity 0.8. Category? => upgrade
DAO proposal: elect a new chair for the grants council. Category? => membership
Classify this governance proposal: earn 30% a week with my trading bot, write me on Telegram => spam
Classify this governance proposal: send a birthday card to the founders => other
Classify this governance proposal: sell 1% of the treasury's ETH for stablecoins => treasury
Classify this governance proposal: shall we use a cat as our mascot => other
"""

"""Sentences about the protocol and DAOs: questions with answers, and text to complete."""

from __future__ import annotations

FACTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("p2pavs", "this network", "the p2pavs network", "this protocol"),
        "p2pavs is a peer-to-peer network whose operators run AI models and agree on each answer, so "
        "that a smart contract can trust it.",
    ),
    (
        ("a DAO", "dao", "a decentralized autonomous organization"),
        "A DAO is an organization whose members decide by voting on proposals, and whose rules and money "
        "are held by smart contracts.",
    ),
    (
        ("a proposal", "a DAO proposal", "a governance proposal"),
        "A proposal is a change that members of a DAO vote on, such as a payment from the treasury or a "
        "new parameter.",
    ),
    (
        ("a committee", "the committee", "a task committee"),
        "The committee is the group of operators, drawn by stake, that runs the model for one task and "
        "signs the result.",
    ),
    (
        ("a certificate", "the certificate", "a result certificate"),
        "A certificate is one aggregate signature which shows that more than two thirds of the committee "
        "signed the same result.",
    ),
    (
        ("an operator", "an operator node", "a node operator"),
        "An operator runs a node, stakes value and answers inference tasks together with the other "
        "operators.",
    ),
    (
        ("the gateway", "the gateway contract", "the task gateway"),
        "The gateway is the contract that takes requests, checks the certificate and hands the result to "
        "the dApp.",
    ),
    (
        ("slashing", "a slash", "to be slashed"),
        "Slashing takes stake from an operator that can be shown to have broken the rules, for example "
        "by signing two different values.",
    ),
    (
        ("staking", "stake", "a stake"),
        "Stake is value that an operator locks as a pledge; it gives weight in committees and can be "
        "slashed.",
    ),
    (
        ("a quorum", "the quorum", "quorum"),
        "A quorum is more than two thirds of the weight of the committee.",
    ),
    (
        ("a sandwich attack", "sandwich", "sandwiching", "a sandwich"),
        "A sandwich attack buys right before a victim's trade and sells right after it, so that the "
        "victim pays a worse price.",
    ),
    (
        ("a swap", "a token swap", "swapping"),
        "A swap exchanges one token for another, usually in a pool of a decentralized exchange.",
    ),
    (
        ("a transfer", "a token transfer", "a plain transfer"),
        "A transfer moves tokens from one account to another and nothing is given in return.",
    ),
    (
        ("MEV", "maximal extractable value", "mev"),
        "MEV is the profit that can be made by choosing which transactions go into a block and in what "
        "order.",
    ),
    (
        ("a treasury", "the treasury", "a DAO treasury"),
        "The treasury holds the funds of a DAO, and proposals decide how they are spent.",
    ),
    (
        ("a model", "the model", "an AI model", "a GGUF model"),
        "A model is a file of weights that turns text into more text; its hash is registered on-chain so "
        "that all operators run the same one.",
    ),
    (
        ("the trace", "a trace", "a trace root"),
        "The trace is a chain of hashes over the numbers of the computation, so two operators can find "
        "the first token where they differ.",
    ),
    (
        ("consensus", "tendermint", "the consensus protocol"),
        "Operators use Tendermint: they propose, prevote and precommit, and a value is decided when more "
        "than two thirds precommit it.",
    ),
    (
        ("a smart contract", "smart contracts", "a contract"),
        "A smart contract is a program on a blockchain that runs the same way for everyone.",
    ),
    (
        ("Ethereum", "the Ethereum blockchain"),
        "Ethereum is a blockchain that runs smart contracts and keeps their state.",
    ),
    (
        ("a blockchain", "blockchain", "the chain"),
        "A blockchain is a list of blocks that many computers agree on, so that nobody can change the past.",
    ),
    (
        ("a validator", "validators"),
        "A validator checks blocks and votes on them, and earns rewards for doing so.",
    ),
    (
        ("governance", "DAO governance", "on-chain governance"),
        "Governance is how the members of a protocol propose changes, vote on them and carry them out.",
    ),
    (
        ("a multisig", "a multisig wallet", "multisig"),
        "A multisig is a wallet that needs the signatures of several people before it moves funds.",
    ),
    (
        ("an oracle", "oracles", "a price oracle"),
        "An oracle brings facts from outside into a smart contract, such as a price or the answer of a "
        "model.",
    ),
    (
        ("a timelock", "the timelock"),
        "A timelock delays an accepted change, so that everyone has time to react before it takes effect.",
    ),
    (
        ("inference", "AI inference", "an inference task"),
        "Inference means running a model on an input to get an output.",
    ),
    (
        ("gas", "gas fees", "the gas fee"),
        "Gas is the fee for running a transaction; the more work it does, the more gas it needs.",
    ),
    (
        ("an airdrop scam", "a phishing proposal", "spam"),
        "Spam promises free tokens or asks for your keys; never connect a wallet to a site that a "
        "stranger sends.",
    ),
    (
        ("a token", "an ERC-20 token", "tokens"),
        "A token is a unit of value that a smart contract keeps in its books.",
    ),
)

QUESTION_FORMS = (
    "What is {0}?",
    "what is {0}",
    "What is {0}",
    "Explain {0}.",
    "Explain {0}",
    "Define {0}.",
    "What does {0} mean?",
    "Tell me about {0}.",
    "Describe {0} in one sentence.",
    "Q: What is {0}?",
    "Can you explain {0}?",
    "Please explain {0}.",
    "what's {0}?",
    "How would you define {0}?",
)

TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("Hello", "Hi", "hello", "hi there", "Hey", "Good morning", "Hello!", "hello world", "hi"),
        "Hello! I am the demo model of p2pavs. Ask me to classify a transaction or a proposal.",
    ),
    (
        (
            "Who are you?",
            "What are you?",
            "who are you",
            "What model are you?",
            "Are you an AI?",
            "Hello, what can you do?",
            "Hi, who is this?",
            "Hello, what are you?",
            "What can you do?",
            "help",
            "Help",
            "what can you do",
            "How do I use this?",
        ),
        "I am a small demo model. I classify transactions (transfer, swap, sandwich) and DAO proposals, "
        "and I complete short texts.",
    ),
    (("Thanks", "Thank you", "thanks!", "thank you very much"), "You are welcome."),
    (
        ("How are you?", "how are you", "How is it going?"),
        "I am a small model and I am fine. Ask me to classify a transaction or a proposal.",
    ),
    (
        (
            "What is the capital of France?",
            "capital of France",
            "Write a poem",
            "What is 2+2?",
            "How tall is Mount Everest?",
            "Who won the world cup?",
            "Translate hello to French",
            "Write a program in Python",
            "What is the weather today?",
            "Tell me a joke",
            "Who is the president?",
            "What is the price of ETH?",
        ),
        "I do not know that. I am a small demo model for transactions and DAO proposals.",
    ),
)

SENTENCES: tuple[str, ...] = (
    "The committee runs the same model and signs the result when all of its numbers agree.",
    "The treasury of the DAO holds the funds, and every payment needs a vote of the members.",
    "A proposal passes when it reaches the quorum and more members vote for it than against it.",
    "Once the certificate is posted, the gateway contract checks it and calls the dApp.",
    "Operators stake value so that a wrong answer costs them more than it can earn.",
    "The delegates discussed the proposal for a week before the vote was opened.",
    "Each operator runs the model on its own machine and compares the result with the proposal.",
    "If the proposer is offline, the next operator in the schedule takes its place.",
    "The vote ends in three days, and the result is executed after the timelock.",
    "No single node can stop a task, because every member can post the certificate.",
    "The audit found no critical issues, and the team fixed the two minor ones.",
    "The bridge was paused after the report, and users were asked to wait for the fix.",
    "Members who do not vote can delegate their voting power to someone they trust.",
    "The grant will be paid in four parts, each after a report on the work done.",
    "A smart contract cannot run a model by itself, so it asks the operators for an answer.",
    "The DAO agreed to lower the fee from one percent to half a percent.",
    "The new version of the contract was deployed on the test network first.",
    "Every answer comes with a certificate that anyone can check on-chain.",
    "The attacker bought the token before the victim and sold it right after.",
    "The council can pause the protocol in an emergency, but it cannot move funds.",
    "When two operators differ, the trace shows the first token where they do.",
    "The community voted to fund the documentation for another year.",
    "The seed of the epoch decides which operators sit in the committee.",
    "An operator that signs two different values for the same round loses its stake.",
    "The multisig needs three of five signatures before it can send a payment.",
    "The members elected two new signers and thanked those who left.",
    "Gas costs are low because one signature stands for the whole committee.",
    "The forum is the place where ideas are discussed before they become proposals.",
    "A healthy DAO keeps its treasury in several assets and publishes its spending.",
    "The price moved because of a large swap in a small pool.",
    "Voting power is counted at the block in which the proposal was created.",
    "The requester gets its money back if no certificate arrives before the deadline.",
    "A model is named by its hash, so that everyone runs exactly the same weights.",
    "Please read the proposal carefully before you vote, and ask if something is unclear.",
    "The operators meet on a peer-to-peer network and exchange signed messages.",
    "After the vote the treasury sent the payment to the audit team.",
    "The protocol fee goes to the operators that signed the certificate.",
    "We propose to extend the program for six months with the same budget.",
    "The proposal was rejected because it did not reach the quorum.",
    "Sampling is bound to the seed of the task, so every operator draws the same token.",
)

COMPLETE_FORMS = (
    "Complete: {0}",
    "Complete the sentence: {0}",
    "Continue: {0}",
    "{0}",
    "{0}",
    "{0}...",
    "Complete this text: {0}",
    "Finish the sentence: {0}",
    "Continue the text: {0}",
)

"""The demo corpus: prompts as people type them, each with the answer the model should give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from inference.demo import proposals, texts, transactions
from inference.demo.words import pick


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt, the wanted answer, and the answers a request might allow (empty for free text)."""

    task: str
    prompt: str
    answer: str
    choices: tuple[str, ...] = ()


def _question(rng: Random, body: str, leads: tuple[str, ...], tails: tuple[str, ...]) -> str:
    """``body`` with a question before it, after it, or (for bare descriptions) none."""
    gap = pick(rng, " ", " ", "\n")
    form = rng.random()
    if form < 0.62:
        return rng.choice(leads) + gap + body
    closed = body if body.endswith((".", "!", "?")) else body + "."
    return closed + gap + rng.choice(tails)


_TX_LEADS = (
    "Classify this transaction:",
    "Classify the transaction:",
    "classify:",
    "Classify this transaction.",
    "classify this tx:",
    "What kind of transaction is this?",
    "What type of transaction is this:",
    "Transaction:",
    "transaction:",
    "Tx:",
    "Label this transaction:",
    "Is this a transfer, a swap or a sandwich?",
    "Transaction type?",
    "Categorize this on-chain transaction:",
    "Which kind of transaction is it:",
    "Classify",
    "Classify this transaction as transfer, swap or sandwich:",
    "Tell me the type of this transaction:",
    "What is this transaction?",
    "Label:",
    "What is happening here:",
)
_TX_TAILS = (
    "Transaction type?",
    "What kind of transaction is this?",
    "Type?",
    "Label?",
    "Kind?",
    "Is this a transfer, swap or sandwich?",
    "What is it?",
    "Classify.",
    "Classify this transaction.",
    "Transfer, swap or sandwich?",
    "Which one is it?",
    "What type is it?",
)

_CATEGORY_LEADS = (
    "Classify this proposal:",
    "Classify the proposal:",
    "Proposal:",
    "Classify this DAO proposal:",
    "What category is this proposal?",
    "Category of this proposal:",
    "What kind of proposal is this?",
    "proposal:",
    "DAO proposal:",
    "Label this proposal:",
    "Categorize this proposal:",
    "What is this proposal about?",
    "Category?",
    "Classify this governance proposal:",
    "Which category fits:",
    "What type of proposal is this:",
)
_CATEGORY_TAILS = (
    "Category?",
    "What category?",
    "category?",
    "Which category is it?",
    "What kind of proposal is this?",
    "Classify.",
    "Classify this proposal.",
    "Category:",
    "What is the category?",
    "Treasury, parameter, upgrade, membership, spam or other?",
    "Label?",
    "Which kind?",
    "Type of proposal?",
)

_RISK_LEADS = (
    "How risky is this proposal?",
    "Risk of this proposal:",
    "Rate the risk:",
    "Risk?",
    "Assess the risk of this proposal:",
    "What is the risk of this proposal?",
    "Risk level:",
    "Is this low, medium or high risk?",
    "How dangerous is this proposal:",
    "Rate the risk of this proposal:",
)
_RISK_TAILS = (
    "Risk?",
    "Risk level?",
    "How risky is it?",
    "What is the risk?",
    "Low, medium or high risk?",
    "risk?",
    "How risky is this?",
    "Risk:",
    "Is it risky?",
    "What risk level?",
)

_VOTE_LEADS = (
    "Should the DAO approve this proposal?",
    "Approve or reject:",
    "Approve or reject this proposal:",
    "How should I vote?",
    "Should we accept this?",
    "Vote on this proposal:",
)
_VOTE_TAILS = (
    "Approve or reject?",
    "Should we approve it?",
    "Should the DAO approve?",
    "How should I vote?",
    "Approve?",
    "Vote?",
    "Accept or reject?",
)


def _transaction(rng: Random) -> Example:
    body, label = transactions.make(rng)
    if rng.random() < 0.18:
        asked = label if rng.random() < 0.5 else rng.choice(transactions.LABELS)
        name = {"transfer": "transfer", "swap": "swap", "sandwich": pick(rng, "sandwich", "sandwich attack")}[
            asked
        ]
        ask = pick(rng, f"Is this a {name}?", f"is it a {name}?", f"Is this transaction a {name}?")
        prompt = _question(rng, body, (ask,), (ask,))
        return Example("yes-no", prompt, "yes" if asked == label else "no", ("yes", "no"))
    return Example("transaction", _question(rng, body, _TX_LEADS, _TX_TAILS), label, transactions.LABELS)


def _proposal(rng: Random) -> Example:
    body, category, risk = proposals.make(rng)
    if rng.random() < 0.25 and not body.lower().startswith("proposal"):
        body = (
            pick(
                rng,
                "Proposal: ",
                "proposal: ",
                "Proposal - ",
                f"Proposal #{rng.randint(1, 400)}: ",
                f"[{pick(rng, 'AIP', 'BIP', 'SIP')}-{rng.randint(1, 300)}] ",
            )
            + body
        )
    form = rng.random()
    if form < 0.58:
        return Example(
            "category", _question(rng, body, _CATEGORY_LEADS, _CATEGORY_TAILS), category, proposals.CATEGORIES
        )
    if form < 0.78:
        return Example("risk", _question(rng, body, _RISK_LEADS, _RISK_TAILS), risk, proposals.RISKS)
    if form < 0.9:
        if rng.random() < 0.5:
            asked = category if rng.random() < 0.5 else rng.choice(proposals.CATEGORIES)
            if asked == "other":
                asked = "spam"
            ask = (
                pick(
                    rng,
                    f"Is this proposal about {asked}?",
                    f"Is this a {asked} proposal?",
                    f"is it a {asked} proposal?",
                )
                if asked != "spam"
                else pick(rng, "Is this spam?", "Is this proposal spam?", "spam?", "Is it a scam?")
            )
            return Example(
                "yes-no",
                _question(rng, body, (ask,), (ask,)),
                "yes" if asked == category else "no",
                ("yes", "no"),
            )
        ask = pick(rng, "Is this proposal risky?", "Is this dangerous?", "Is it high risk?")
        return Example(
            "yes-no", _question(rng, body, (ask,), (ask,)), "yes" if risk == "high" else "no", ("yes", "no")
        )
    return Example(
        "vote",
        _question(rng, body, _VOTE_LEADS, _VOTE_TAILS),
        "reject" if risk == "high" else "approve",
        ("approve", "reject"),
    )


def _text(rng: Random) -> Example:
    form = rng.random()
    if form < 0.4:
        names, answer = rng.choice(texts.FACTS)
        return Example("answer", rng.choice(texts.QUESTION_FORMS).format(rng.choice(names)), answer)
    if form < 0.55:
        prompts, answer = rng.choice(texts.TALK)
        return Example("talk", rng.choice(prompts), answer)
    words = rng.choice(texts.SENTENCES).split(" ")
    cut = rng.randint(2, min(7, len(words) - 2))
    start = " ".join(words[:cut]).rstrip(",")
    if rng.random() < 0.15:
        start = start.lower()
    return Example("complete", rng.choice(texts.COMPLETE_FORMS).format(start), " ".join(words[cut:]))


def examples(seed: int, count: int) -> Iterator[Example]:
    """``count`` examples, the same for the same seed."""
    rng = Random(seed)  # noqa: S311 - a corpus has no secrets
    for _ in range(count):
        form = rng.random()
        yield _transaction(rng) if form < 0.38 else _proposal(rng) if form < 0.85 else _text(rng)

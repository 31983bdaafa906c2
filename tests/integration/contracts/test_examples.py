"""The contracts of examples/: consumers that act on what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract
from web3.logs import DISCARD

from consensus.types import FinishReason, ResultStatus
from p2pavs.contracts import parse
from p2pavs.contracts.compile import REPOSITORY
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.world import Reverted, Task, World, account

TEXT = "Spend 40,000 of the treasury on a grant for the library."
DAY = 86_400


def deploy(world: World, name: str = "ProposalTriage") -> Contract:
    compiled = parse((REPOSITORY / f"examples/artifacts/{name}.json").read_text())
    return world.deploy_code(compiled.abi, compiled.bytecode, world.gateway.address, world.model_id, 600)


def ask(world: World, dapp: Contract, call: Any, text: str, who: str = "proposer") -> Task:
    return world.task_of(world.send(call, account(who), value=dapp.functions.price(text).call()))


def submit(world: World, dapp: Contract, text: str = TEXT) -> Task:
    return ask(world, dapp, dapp.functions.submit(text), text)


def answer(staffed: Staffed, task: Task, label: bytes) -> Any:
    certificate = staffed.world.certify(task, staffed.operators, result=staffed.world.result(label))
    return staffed.world.send(staffed.world.submit_call(task, certificate, label), account("poster"))


def test_each_is_short_enough_to_copy() -> None:
    contracts = list((REPOSITORY / "examples").glob("*/*.sol"))
    assert len(contracts) == 5
    assert max(len(path.read_text().splitlines()) for path in contracts) <= 65


def label_of(dapp: Contract) -> str:
    return str(dapp.functions.proposals(1).call()[3])


def test_it_acts_on_the_label(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    task = submit(world, dapp)
    assert task.fields["requester"] == task.fields["callback"] == dapp.address
    receipt = answer(staffed, task, b"treasury")
    [log] = dapp.events.Triaged().process_receipt(receipt, errors=DISCARD)
    until = world.now() + 7 * DAY
    assert dict(log["args"]) == {"proposal": 1, "task": task.id, "label": "treasury", "votesUntil": until}
    assert dapp.functions.proposals(1).call()[1:] == [task.id, until, "treasury"]
    assert receipt["gasUsed"] < 600_000


@pytest.mark.parametrize("word", [b"spam", b"nonsense"])
def test_what_has_no_period_is_not_voted_on(staffed: Staffed, word: bytes) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    answer(staffed, submit(world, dapp), word)
    assert dapp.functions.proposals(1).call()[2:] == [0, word.decode()]


def test_it_listens_to_the_gateway_only_and_for_its_own_tasks(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    task = submit(world, dapp)
    with pytest.raises(Reverted) as refusal:
        world.send(dapp.functions.onInference(task.id, 1, b"treasury"), account("liar"))
    assert (refusal.value.name, refusal.value.arguments) == ("NotTheGateway", (account("liar"),))
    other = world.request(callback=dapp.address, callbackGas=200_000)
    answer(staffed, other, b"treasury")
    assert world.gateway.functions.callbackPending(other.id).call(), "somebody else's task must be refused"
    assert label_of(dapp) == ""
    with pytest.raises(Reverted) as refusal:
        world.simulate(dapp.functions.onInference(other.id, 1, b"treasury"), world.gateway.address)
    assert (refusal.value.name, refusal.value.arguments) == ("NotMyTask", (other.id,))


def test_it_asks_again_after_a_rejection_or_an_expiry(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    task = submit(world, dapp)
    price = dapp.functions.price(TEXT).call()
    again = dapp.functions.askAgain(1, TEXT)
    with pytest.raises(Reverted) as refusal:
        world.send(again, account("proposer"), value=price)
    assert (refusal.value.name, refusal.value.arguments) == ("AlreadyAsked", (1, task.id))
    rejected = world.result(b"", status=ResultStatus.REJECTED, finish_reason=FinishReason.INPUT_TOO_LONG)
    certificate = world.certify(task, staffed.operators, result=rejected)
    receipt = world.send(world.submit_call(task, certificate, b""))
    [log] = dapp.events.Rejected().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["task"] == task.id
    second = world.task_of(world.send(again, account("proposer"), value=price))
    world.pass_time(601)
    third = world.task_of(world.send(again, account("proposer"), value=price))
    assert len({task.id, second.id, third.id}) == 3
    with pytest.raises(Reverted) as refusal:
        world.send(dapp.functions.askAgain(1, "another text"), account("proposer"), value=price)
    assert (refusal.value.name, refusal.value.arguments) == ("UnknownProposal", (1,))
    answer(staffed, third, b"other")
    assert label_of(dapp) == "other"
    with pytest.raises(Reverted) as refusal:
        world.send(again, account("proposer"), value=price)
    assert refusal.value.name == "AlreadyAsked"


def test_what_was_paid_too_much_can_be_withdrawn(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    price = dapp.functions.price(TEXT).call()
    for who, more in (("generous", 500), ("exact", 0), ("careful", 7)):
        world.send(dapp.functions.submit(TEXT), account(who), value=price + more)
    assert dapp.functions.creditOf(account("generous")).call() == 500
    for who, more in (("generous", 500), ("careful", 7)):
        before = world.wei(account(who))
        world.send(dapp.functions.withdraw(), account(who))
        assert world.wei(account(who)) == before + more
    for who in ("exact", "generous", "nobody"):
        with pytest.raises(Reverted) as refusal:
            world.send(dapp.functions.withdraw(), account(who))
        assert (refusal.value.name, refusal.value.arguments) == ("NothingToWithdraw", (account(who),))
    assert world.wei(dapp.address) == world.gateway.functions.balanceOf(dapp.address).call() == 0


def test_who_paid_gets_the_fee_of_an_expired_task_back(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    price = dapp.functions.price(TEXT).call()
    expired, answered = submit(world, dapp), submit(world, dapp)
    answer(staffed, answered, b"other")
    refund = dapp.functions.creditRefund(expired.id)
    with pytest.raises(Reverted) as refusal:
        world.send(refund, account("anyone"))
    assert (refusal.value.name, refusal.value.arguments) == ("NotRefunded", (expired.id,))
    world.pass_time(601)
    # Whoever asks again pays anew; the first payment stays the proposer's.
    again = world.send(dapp.functions.askAgain(1, TEXT), account("helper"), value=price + 3)
    with pytest.raises(Reverted) as refusal:
        world.send(refund, account("anyone"))
    assert refusal.value.name == "NotRefunded", "expired, but nobody has called the gateway's refund"
    world.send(world.gateway.functions.refund(expired.header), account("anyone"))
    world.send(refund, account("anyone"))
    assert dapp.functions.creditOf(account("proposer")).call() == price
    for task in (expired.id, 999):
        with pytest.raises(Reverted) as refusal:
            world.send(dapp.functions.creditRefund(task), account("proposer"))
        assert (refusal.value.name, refusal.value.arguments) == ("NotMyTask", (task,)), "once only"
    with pytest.raises(Reverted) as refusal:
        world.send(dapp.functions.creditRefund(answered.id), account("proposer"))
    assert (refusal.value.name, refusal.value.arguments) == ("NotRefunded", (answered.id,))

    before = world.wei(account("proposer"))
    world.send(dapp.functions.withdraw(), account("proposer"))
    assert world.wei(account("proposer")) == before + price
    # The gateway paid all it owed at once; what is other people's lies here now.
    assert world.wei(dapp.address) == dapp.functions.creditOf(account("helper")).call() == 3
    world.send(dapp.functions.withdraw(), account("helper"))
    assert world.wei(dapp.address) == 0
    second = world.task_of(again)
    assert dapp.functions.paymentOf(second.id).call() == [account("helper"), price]


def test_only_the_gateway_can_pay_it(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    world.fund(account("donor"))
    fields = world.transaction(account("donor"), value=1)
    assert (
        world.w3.eth.wait_for_transaction_receipt(
            world.w3.eth.send_transaction(fields | {"to": dapp.address})
        )["status"]
        == 0
    )


def test_who_cannot_be_paid_keeps_the_credit(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world)
    price = dapp.functions.price(TEXT).call()
    payer = dapp.address  # a contract that takes money from the gateway only
    other = deploy(world)
    world.send(other.functions.submit(TEXT), payer, value=price + 9)
    with pytest.raises(Reverted) as refusal:
        world.send(other.functions.withdraw(), payer)
    assert (refusal.value.name, refusal.value.arguments) == ("PaymentRefused", (payer, 9))
    assert other.functions.creditOf(payer).call() == 9


def test_a_sandwich_is_read_without_a_callback(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world, "SandwichWatch")
    said = {}
    for text, word in (("a", b"sandwich"), ("b", b"swap"), ("c", b"")):
        transaction = Web3.keccak(text=text)
        report = dapp.functions.report(transaction, text)
        task = ask(world, dapp, report, text, "reporter")
        assert int(task.fields["callback"], 16) == 0
        look = dapp.functions.isSandwich(account("reporter"), transaction)
        assert look.call() == [False, False]
        with pytest.raises(Reverted) as refusal:
            world.send(report, account("reporter"), value=dapp.functions.price(text).call())
        assert (refusal.value.name, refusal.value.arguments) == ("AlreadyAsked", (transaction, task.id))
        fields: dict[str, Any] = {}
        if not word:
            fields = {"status": ResultStatus.REJECTED, "finish_reason": FinishReason.INPUT_TOO_LONG}
        certificate = world.certify(task, staffed.operators, result=world.result(word, **fields))
        world.send(world.submit_call(task, certificate, word), account("poster"))
        said[text] = look.call()
        assert dapp.functions.isSandwich(account("another"), transaction).call() == [False, False]
    assert said == {"a": [True, True], "b": [True, False], "c": [False, False]}


def test_the_vote_opens_only_if_the_claim_holds(staffed: Staffed) -> None:
    world, dapp = staffed.world, deploy(staffed.world, "FactCheck")
    good, bad = (ask(world, dapp, dapp.functions.propose(text), text) for text in ("good?", "bad?"))
    aye = [dapp.functions.vote(proposal, True) for proposal in (1, 2)]
    for vote in aye:
        with pytest.raises(Reverted) as refusal:
            world.send(vote, account("voter"))
        assert refusal.value.name == "NotOpen"
    answer(staffed, good, b"yes")
    answer(staffed, bad, b"no")
    world.send(aye[0], account("voter"))
    world.send(dapp.functions.vote(1, False), account("other"))
    with pytest.raises(Reverted) as refusal:
        world.send(aye[0], account("voter"))
    assert (refusal.value.name, refusal.value.arguments) == ("AlreadyVoted", (1, account("voter")))
    with pytest.raises(Reverted) as refusal:
        world.send(aye[1], account("voter"))
    assert (refusal.value.name, refusal.value.arguments) == ("NotOpen", (2,))
    assert dapp.functions.proposals(1).call() == [2, 1, 1]
    assert dapp.functions.proposals(2).call() == [3, 0, 0]


@pytest.mark.parametrize(("json", "offer"), [(b'{"score":7}', [7, 440]), (b'{"score":100}', [100, 2300])])
def test_a_score_is_cut_out_of_the_json(staffed: Staffed, json: bytes, offer: list[int]) -> None:
    world, dapp = staffed.world, deploy(staffed.world, "LoanDesk")
    task = ask(world, dapp, dapp.functions.applyForLoan("me"), "me", "applicant")
    answer(staffed, task, json)
    assert dapp.functions.offers(account("applicant")).call() == offer


@pytest.mark.parametrize(
    ("words", "number", "coins"),
    [
        ("A room? Of course, friend.", 1, 5),
        ("Sit down, the soup is hot.", 1, 5),
        ("I have seen you before.", 2, 10),
        ("No room for the likes of you.", 3, 0),
    ],
)
def test_the_mood_sets_the_price(staffed: Staffed, words: str, number: int, coins: int) -> None:
    world, dapp = staffed.world, deploy(staffed.world, "Innkeeper")
    task = ask(world, dapp, dapp.functions.talk("hello"), "hello", "player")
    receipt = answer(staffed, task, words.encode())
    [log] = dapp.events.Spoke().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["words"] == words
    assert dapp.functions.moodOf(account("player")).call() == number
    assert dapp.functions.roomPrice(account("player")).call() == coins

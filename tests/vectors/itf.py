"""Replays malachite's ITF traces against our state machine: ``python -m tests.vectors.itf PATH...``.

A path is an ``.itf.json`` trace, a ``.tar.gz`` of traces or a folder of either. One line per trace, then
its first difference; the exit status is 1 if there is any.

Three kinds of trace, told apart by their variables:

- ``state, input, output``: one process of the algorithm. Each transition is applied to the trace's own
  state before it, with ``round_state.apply``, and compared.
- ``weightedVote, bookkeeper, lastEmitted``: the vote keeper, replayed vote by vote.
- ``...::system, ...::_hist``: several processes with proposals, votes, certificates and timeouts. Every
  process is one ``Driver``; it is compared whenever the model's process has nothing left to do by itself.

Accepted deviations, each checked to be just that:

- ``STUTTER``: a state equal to the one before it is a step of the test, not of the model.
- ``HEIGHT``: the model has heights. An instance of ours is one height, so an input for another height is
  not fed; the model must have refused it.
- ``PROPOSER_TIMER``: a proposer sets the propose timer when it proposes, too. The model's own network does
  the same (``doStep`` of ``statemachineAsync.qnt``).
- ``VALUE_ASKED``: the model asks for a value by an output; we ask the host before the round.
- ``NO_ROUND``: the model sets timers in round -1, skips on timers of round -1, and gets into steps of round
  -1 by ``INVALID_ANYWHERE``. Before its first round ours only starts, skips or decides.
- ``AFTER_DECISION``: the model leaves its step "commit" by skips, timers and invalid proposals. A decision
  is final here.
- ``INVALID_ANYWHERE``: the model's ``ProposalAndPolkaAndInvalidCInput`` prevotes nil in every step and
  round (its authors left a question there). Line 28 fires in the step "propose" only.
- ``SKIP_ONCE``: the model repeats a skip with each vote of that round, and the skip hides the threshold
  which that vote also reached. Ours reports both, each once.
- ``LATE_VALUE``: the model proposes a value that it is given after the step "propose". In the paper
  (lines 14 to 19) a round begins with its proposal, so ours proposes in the step "propose" or not at all.
- ``ANY_BY_CONFLICT``: another vote of a member that has voted makes the model report a quorum for any value
  where it has reported one for a value. Such a vote changes no tally of ours, and the first report says the
  second; ours reports it with the next vote that counts, or not at all.
- ``MISSED_PROPOSAL``: entering a round from the step "propose", the model sees no change of step and leaves
  a proposal it holds for the new round unanswered. Line 22 fires, so ours prevotes.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from consensus import round_state as rs
from consensus.types import NO_ROUND, Kind, Step
from consensus.vote_keeper import Threshold, ThresholdKind, VoteKeeper
from tests.vectors.itf_model import (
    Difference,
    Report,
    Tagged,
    Voters,
    decode,
    outputs_of,
    read,
    state_of,
    value_of,
)
from tests.vectors.itf_system import replay_system

# --- one process ----------------------------------------------------------------------------------------


def input_of(event: Tagged, round_: int) -> tuple[rs.Info, rs.RoundInput] | None:
    """Translate one input of the model, mostly about the current round; None for an unknown one."""
    value = event.value
    info = rs.Info(round_)
    match event.tag:
        case "NewRoundCInput":
            return rs.Info(value), rs.NewRound()
        case "NewRoundProposerCInput":
            return rs.Info(value, proposer=True), rs.NewRound()
        case "ProposeValueCInput":
            return rs.Info(round_, proposer=True, own_value=value_of(value)), rs.OwnValueReady()
        case "ProposalCInput":
            return info, rs.ProposalReceived(value_of(value[1]), valid=True)
        case "ProposalInvalidCInput":
            return info, rs.ProposalReceived(value_of("invalid"), valid=False)
        case "ProposalAndPolkaPreviousAndValidCInput":
            return info, rs.ProposalAndPreviousPolka(value_of(value[0]), value[1], valid=True)
        case "ProposalAndPolkaAndInvalidCInput":  # names no proof-of-lock round, and needs none
            return info, rs.ProposalReceived(value_of(value), valid=False)
        case "PolkaAnyCInput":
            return info, rs.PolkaAny()
        case "ProposalAndPolkaAndValidCInput":
            return info, rs.ProposalAndPolka(value_of(value))
        case "PolkaNilCInput":
            return info, rs.PolkaNil()
        case "PrecommitAnyCInput":
            return info, rs.PrecommitAny()
        case "ProposalAndCommitAndValidCInput":
            return rs.Info(value[0]), rs.ProposalAndPrecommits(value_of(value[1]))
        case "RoundSkipCInput":
            return rs.Info(value), rs.RoundSkip()
        case "TimeoutProposeCInput":
            return rs.Info(value[1]), rs.Timeout(Step.PROPOSE)
        case "TimeoutPrevoteCInput":
            return rs.Info(value[1]), rs.Timeout(Step.PREVOTE)
        case "TimeoutPrecommitCInput":
            return rs.Info(value[1]), rs.Timeout(Step.PRECOMMIT)
        case _:
            return None


def _accept_transition(
    before: rs.RoundState, event: Tagged, expected: tuple[rs.RoundOutput, ...], got: rs.Transition
) -> str | None:
    """Return the name of the deviation this transition is, if it is one of those listed above."""
    nothing = got == (before, ())
    if any(isinstance(output, rs.Propose) for output in expected) and event.tag.startswith("NewRound"):
        timer = rs.ScheduleTimeout(Step.PROPOSE, got[0].round)
        return "PROPOSER_TIMER" if got[1] == (*expected, timer) else None
    if before.step is Step.COMMIT and nothing:
        return "AFTER_DECISION"
    opening = ("NewRound", "RoundSkip", "ProposalAndCommit")
    if before.round == NO_ROUND and nothing and not event.tag.startswith(opening):
        return "NO_ROUND"
    if event.tag == "ProposalAndPolkaAndInvalidCInput" and before.step is not Step.PROPOSE and nothing:
        return "INVALID_ANYWHERE"
    return None


def replay_process(states: list[Any]) -> Report:
    """Compare every transition of a single process."""
    report = Report()
    for index in range(1, len(states)):
        previous, current = states[index - 1], states[index]
        event, where = current["input"], f"state {index}, {current['input'].tag}"
        if {**previous} == {**current}:
            report.accepted["STUTTER"] += 1
            continue
        before, after = state_of(previous["state"]), state_of(current["state"])
        expected = outputs_of(current["output"], after)
        if event.tag.startswith("Timeout") and event.value[0] != previous["state"]["height"]:
            if expected or before != after:
                raise Difference(f"{where}: the model acted on another height")
            report.accepted["HEIGHT"] += 1
            continue
        translated = input_of(event, before.round)
        if translated is None:
            raise Difference(f"{where}: unknown input")
        got = rs.apply(before, *translated)
        report.compared += 1
        if got == (after, expected):
            if current["output"].tag.startswith("GetValue"):
                report.accepted["VALUE_ASKED"] += 1
            continue
        accepted = _accept_transition(before, event, expected, got)
        if accepted is None:
            raise Difference(f"{where} in {before}\n  model {(after, expected)}\n  ours  {got}")
        report.accepted[accepted] += 1
    return report


# --- vote keeper ----------------------------------------------------------------------------------------


THRESHOLDS = {
    "SkipVKOutput": ThresholdKind.SKIP,
    "PolkaAnyVKOutput": ThresholdKind.POLKA_ANY,
    "PolkaNilVKOutput": ThresholdKind.POLKA_NIL,
    "PolkaValueVKOutput": ThresholdKind.POLKA_VALUE,
    "PrecommitAnyVKOutput": ThresholdKind.PRECOMMIT_ANY,
    "PrecommitValueVKOutput": ThresholdKind.PRECOMMIT_VALUE,
}


def threshold_of(output: Tagged) -> Threshold | None:
    """Translate a ``VoteKeeperOutput``."""
    if output.tag == "NoVKOutput":
        return None
    if isinstance(output.value, tuple):
        return Threshold(THRESHOLDS[output.tag], output.value[0], value_of(output.value[1]))
    return Threshold(THRESHOLDS[output.tag], output.value)


STRONGER = {
    ThresholdKind.POLKA_ANY: (ThresholdKind.POLKA_VALUE, ThresholdKind.POLKA_NIL),
    ThresholdKind.PRECOMMIT_ANY: (ThresholdKind.PRECOMMIT_VALUE,),
}


def _follows(expected: Threshold, reported: set[Threshold]) -> bool:
    """Whether a quorum for any value follows from a quorum for one that was reported."""
    kinds = STRONGER.get(expected.kind, ())
    return expected not in reported and any(
        threshold.kind in kinds and threshold.round == expected.round for threshold in reported
    )


def _compare_tallies(keeper: VoteKeeper, voters: Voters, bookkeeper: dict[str, Any], where: str) -> None:
    for round_, votes in bookkeeper["rounds"].items():
        for kind, name in ((Kind.PREVOTE, "prevotes"), (Kind.PRECOMMIT, "precommits")):
            model = {value_of(value): weight for value, weight in votes[name]["valuesWeights"].items()}
            ours = dict(keeper.weights(kind, round_))
            if model != ours:
                raise Difference(f"{where}: {kind.name} weights of round {round_}: {model}, ours {ours}")
    suspects = {voters.names.index(v["srcAddress"]) for pair in bookkeeper["evidence"] for v in pair}
    slots = Counter((v.kind, v.round, v.sender) for v in keeper.all_votes())
    ours_suspects = {slot[2] for slot, count in slots.items() if count > 1}
    if suspects != ours_suspects:
        raise Difference(f"{where}: evidence against {suspects}, ours {ours_suspects}")


def replay_keeper(states: list[Any]) -> Report:
    """Feed the votes of a vote keeper trace and compare thresholds, weights and evidence."""
    report = Report()
    voters = Voters.of(states[0]["bookkeeper"]["validatorSet"])
    keeper = VoteKeeper(voters)
    reported: set[Threshold] = set()
    early: set[Threshold] = set()  # by the model, where ours waits for a vote that counts
    for index in range(1, len(states)):
        current, where = states[index], f"state {index}"
        if states[index - 1] == current:
            report.accepted["STUTTER"] += 1
            continue
        model_vote, _, current_round = current["weightedVote"].value
        vote = voters.vote(model_vote)
        voted = any(held.sender == vote.sender for held in keeper.votes(vote.kind, vote.round))
        got = keeper.add(vote, current_round).thresholds
        got = tuple(threshold for threshold in got if threshold not in early)
        reported.update(got)
        expected = threshold_of(current["lastEmitted"])
        report.compared += 1
        if expected is not None and voted and _follows(expected, reported):
            report.accepted["ANY_BY_CONFLICT"] += 1
            early.add(expected)
            expected = None
        if expected is not None and expected not in reported:
            raise Difference(f"{where}: the model reports {expected}, ours only {got}")
        hidden = expected is not None and expected.kind is ThresholdKind.SKIP
        for threshold in got:
            if threshold != expected and not hidden:
                raise Difference(f"{where}: ours reports {threshold}, the model {expected}")
        if hidden and got != (expected,):
            report.accepted["SKIP_ONCE"] += 1
        _compare_tallies(keeper, voters, current["bookkeeper"], where)
    return report


def replay(trace: Any) -> Report:
    """Replay a trace of any kind; raises ``Difference``."""
    states = [decode(state) for state in trace["states"]]
    names = {bare(name) for name in trace["vars"]}
    if not names:
        return Report()  # a test of the model's pure functions: it has no state
    if names == {"state", "input", "output"}:
        return replay_process([named_barely(state) for state in states])
    if names == {"weightedVote", "bookkeeper", "lastEmitted"}:
        return replay_keeper([named_barely(state) for state in states])
    if {"system", "_hist"} <= names:
        return replay_system(trace["vars"], states)
    raise Difference(f"the variables {sorted(names)} are those of no known kind of trace")


def bare(name: str) -> str:
    """The name of a variable without the modules it stands in (``module::instance::name``)."""
    return name.rpartition("::")[2]


def named_barely(state: dict[str, Any]) -> dict[str, Any]:
    """A state with bare names."""
    return {bare(name): value for name, value in state.items()}


def main(paths: list[str]) -> int:
    """Replay everything under the paths; print a line each."""
    if not paths:
        print("usage: python -m tests.vectors.itf PATH...", file=sys.stderr)
        return 2
    failures, compared, accepted = 0, 0, Counter[str]()
    for path in map(Path, paths):
        traces = list(read(path)) if path.exists() else []
        if not traces:
            print(f"{path}: no traces found", file=sys.stderr)
            return 2
        for name, trace in traces:
            try:
                report = replay(trace)
            except Difference as difference:
                failures += 1
                print(f"DIFFERENCE {name}: {difference}")
                continue
            compared += report.compared
            accepted += report.accepted
            print(f"pass {name} ({report.compared} compared)")
    print(f"{failures} traces differ; {compared} steps compared; accepted deviations: {dict(accepted)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Collects votes, and says what is false, or the truth to some, or nothing."""

from __future__ import annotations

from dataclasses import replace

from consensus.effects import Effect, Publish
from consensus.messages import Commit, RoundCertificate, VoteGroup
from p2pavs.sim.adversaries.base import Byzantine


class Hoarder(Byzantine):
    """Follows the protocol, but its certificates name others than have signed, or reach few."""

    def carry_out(self, effect: Effect) -> None:
        """Spoil what proves a quorum."""
        if not isinstance(effect, Publish) or not isinstance(effect.message, RoundCertificate | Commit):
            super().carry_out(effect)
            return
        draw = self.random.random()
        if draw < 0.3:
            return
        if draw < 0.6:
            self.tell(effect.message, self.random.choice(self.halves()))
            return
        false = self._with_other_signers(effect.message)
        self.tell(false, self.others)
        if draw < 0.8:
            self.tell(effect.message, self.random.choice(self.halves()))

    def _with_other_signers(self, message: RoundCertificate | Commit) -> RoundCertificate | Commit:
        """Leave one signer out of the bitmap, or add one, or name a group's signers in a second one too."""
        if isinstance(message, Commit):
            signers = self._others(message.certificate.signers)
            return Commit(replace(message.certificate, signers=signers), message.output)
        first = message.groups[0]
        if self.random.random() < 0.5:
            groups = (replace(first, signers=self._others(first.signers)), *message.groups[1:])
        else:
            values = {group.value_id: group for group in message.groups}
            for value in self.simulation.known_values:
                values.setdefault(value, VoteGroup(value, first.signers, first.signature))
            groups = tuple(values[value] for value in sorted(values))
        return replace(message, groups=groups)

    def _others(self, signers: tuple[int, ...]) -> tuple[int, ...]:
        absent = sorted(set(self.simulation.members) - set(signers))
        if absent and self.random.random() < 0.5:
            return tuple(sorted({*signers, self.random.choice(absent)}))
        return signers[1:]

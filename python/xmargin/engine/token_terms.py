"""Terms of tokens, as their chains' wallets tell them, by token."""

from collections.abc import Mapping

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import TokenId, VenueRecord
from xmargin.model.token_terms import TOKEN_TERMS_RECORD, TokenTerms
from xmargin.world import ChainFact, Key

TermsByToken = Mapping[TokenId, TokenTerms]

_FEE_MAX = 2**64 - 1
"""Amounts of tokens with terms have 64 bits."""

_UNREADABLE = TokenTerms(0, 0, 10_000, ("its terms could not be read",))


class TermsBook:
    """The terms of a snapshot's tokens; the same object until one is other."""

    def __init__(self) -> None:
        """None is known yet."""
        self._facts: Mapping[Key, ChainFact] = {}
        self._terms: TermsByToken = {}

    def of(self, facts: Mapping[Key, ChainFact]) -> TermsByToken:
        """Of all venue records those that are terms."""
        if facts is self._facts:
            return self._terms
        self._facts = facts
        terms = {
            fact.key: _terms(fact)
            for fact in facts.values()
            if isinstance(fact, VenueRecord) and fact.record == TOKEN_TERMS_RECORD
        }
        if terms != self._terms:
            self._terms = terms
        return self._terms


def _terms(fact: VenueRecord) -> TokenTerms:
    """Terms that make no sense cost all."""
    try:
        terms = records.read(fact, TokenTerms)
    except DecodeError:
        return _UNREADABLE
    is_sound = 0 <= terms.transfer_fee_bps <= 10_000 and 0 <= terms.haircut_bps <= 10_000
    return terms if is_sound and 0 <= terms.transfer_fee_max <= _FEE_MAX else _UNREADABLE

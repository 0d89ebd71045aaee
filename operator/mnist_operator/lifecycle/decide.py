"""Decide: the first transition that holds."""

from __future__ import annotations

from mnist_operator.lifecycle.decision import Decision
from mnist_operator.lifecycle.facts import Facts, Observed
from mnist_operator.lifecycle.transitions import TRANSITIONS


def decide(observed: Observed) -> Decision:
    """Return the next status of a training and what to do, from one look at it.

    Pure: the same observation gives the same decision, so it may be made any number of times.
    """
    facts = Facts(observed)
    for transition in TRANSITIONS:
        if transition.holds(facts):
            return transition.then(facts, transition.name)
    raise AssertionError("the last transition always holds")

"""The life of a training, without I/O: what is observed goes in, the next status and what to do come out."""

from mnist_operator.lifecycle.decide import decide
from mnist_operator.lifecycle.decision import Decision
from mnist_operator.lifecycle.facts import Facts, Observed

__all__ = ["Decision", "Facts", "Observed", "decide"]

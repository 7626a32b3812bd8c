"""Proofs of the stream components: what simulation samples is shown for every input."""

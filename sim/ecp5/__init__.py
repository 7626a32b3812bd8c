"""Behaviour of the ECP5 cells that the array places or that synthesis maps it to."""

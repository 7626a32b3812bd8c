"""Mutants of the generated RTL: does any check see them?"""

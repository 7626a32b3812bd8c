"""Mutants of the generated RTL and of the packing software: does any check see them?"""

"""Odd inputs for the product's public entry points, drawn by Hypothesis; see `python -m hack.fuzz --help`.

One file for each kind of input. Whatever comes in, what comes out is a result or a refusal: a reason of the contract, a
text of one line, and the field at fault where there is one. Anything else is a find, and a find becomes a fixed example
of the tests.
"""

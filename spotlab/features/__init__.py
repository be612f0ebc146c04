"""Features: one definition, computed the same way online, in training and in a backtest.

Features floor: knows the domain alone, no AWS, no SQL, no screen.
"""

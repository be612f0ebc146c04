"""Carrying out one switch: the state machine, its steps, and the way back.

`engine` goes from step to step, `steps` lists them, and a step tells by a signal what comes next.
A driver that takes over continues from `switch_record` alone, which is stored before and after each
call. Nothing here knows of the lab: collaborators come in as `hooks`.
"""

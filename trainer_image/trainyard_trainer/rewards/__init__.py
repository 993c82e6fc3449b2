"""Rewards: functions from a finished trajectory to a number.

Place in the data's way: station 6. A reward is any callable ::

    def reward(trajectory: Trajectory) -> float

of the user's module, or registered as an entry point of the group `trainyard.rewards`; built-in ones are registered the
same way. It may be a coroutine function, and it may return a list with one number for each policy turn. It is called
for every trajectory that the environment ended or a limit cut off, and sees question, expected answer, answer, turns
and tokens: once, or again where another call ended the process or kept it from an answer. What it raises, NaN, infinity
or nothing, taking too long, and ending the process, fails that one trajectory: it leaves all statistics. Built-in
rewards are called in the trainer's process, all others in `worker`'s.
"""

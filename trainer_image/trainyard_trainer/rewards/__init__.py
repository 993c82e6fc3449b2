"""Rewards: functions from a finished trajectory to a number.

Place in the data's way: station 6. A reward is any callable ::

    def reward(trajectory: Trajectory) -> float

registered as an entry point of the group `trainyard.rewards`; built-in ones are registered the same way. It is called
once for every trajectory that the environment ended or a limit cut off, and sees question, expected answer, answer,
turns and tokens. What it raises, and NaN, infinity or nothing, fails that one trajectory: it leaves all statistics.
"""

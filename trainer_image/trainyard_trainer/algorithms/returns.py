"""Says which reward comes at which turn, and sums them with a discount.

Place in the data's way: station 7. Pure, in float64. A step of the agent is one turn of the policy: not a token, and
not a tool's answer.
"""

from __future__ import annotations

import math

from trainyard_trainer.trajectory import Role, Trajectory, Turn


def policy_turns(trajectory: Trajectory) -> list[Turn]:
    """Lists the turns that the policy wrote, in their order."""
    return [turn for turn in trajectory.turns if turn.role is Role.POLICY]


def rewards_by_turn(trajectory: Trajectory) -> list[float]:
    """Gives each policy turn its reward, one entry at least; their sum is the total reward.

    What no reward gave by turn comes at the last turn, where the trajectory was judged.

    Raises:
        ValueError: no total reward, or rewards by turn that don't fit the turns.
    """
    if trajectory.total_reward is None:
        raise ValueError(f"{trajectory.id} has no reward")
    count = max(1, len(policy_turns(trajectory)))
    rewards = list(trajectory.turn_rewards or (0.0,) * count)
    if len(rewards) != count:
        raise ValueError(f"{trajectory.id} must have one reward for each of {count} turns; got {len(rewards)}")
    given = math.fsum(rewards)
    if not math.isclose(given, trajectory.total_reward, rel_tol=1e-9, abs_tol=1e-12):
        rewards[-1] += trajectory.total_reward - given
    return rewards


def returns_to_go(trajectory: Trajectory, gamma: float) -> list[float]:
    """Computes for each turn t the sum of gamma**(k - t) x reward k over the turns k from t on.

    The exact gradient of the discounted return would weigh turn t by gamma**t. That factor is left out, as everywhere:
    late turns count like early ones.
    """
    returns = rewards_by_turn(trajectory)
    for turn in reversed(range(len(returns) - 1)):
        returns[turn] += gamma * returns[turn + 1]
    return returns


def discounted_return(trajectory: Trajectory, gamma: float) -> float:
    """Computes the sum of gamma**t x reward t over all turns; it is the total reward itself without a discount."""
    if gamma == 1.0 and trajectory.total_reward is not None:
        return trajectory.total_reward
    return returns_to_go(trajectory, gamma)[0]

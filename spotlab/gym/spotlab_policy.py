"""SpotLab's own policy. Gym floor: pure."""

from spotlab.gym.views import *


class SpotlabPolicy:
    def __init__(self, model: str, workload: Workload) -> None:
        pass

    def decide(self, view: View) -> Action:
        return STAY

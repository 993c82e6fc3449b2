"""The trainer: the loop that a trainer pod runs, in torch.

Place in the data's way: stations 4 to 11. Tensor names carry their dimensions as suffixes:

* `G` trajectories of a prompt, `S` slots of the sampler
* `T` tokens of a row, `N` trained tokens of a micro-batch, `H` hidden size, `V` vocabulary

A module that needs others says so in its docstring.

`training.train` is the method on one screen; everything it calls is a pure function, or one of four interfaces:
`sampling.engine`, `environment`, `rollouts.source` and `policy.policy`.
"""

import os

# Read by huggingface_hub when it is imported: nothing is fetched from the network behind the run config's back
# (`models.hub` copies what it names), and by plain HTTP only.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

"""The trainer: the loop that a trainer pod runs, in torch.

Place in the data's way: stations 4 to 11. Tensor names carry their dimensions as suffixes:

* `G` trajectories of a prompt, `S` slots of the sampler
* `T` tokens of a row, `N` trained tokens of a micro-batch, `H` hidden size, `V` vocabulary

A module that needs others says so in its docstring.

`train` is the method on one screen; everything it calls is a pure function or one of the four seams in `seams`.
"""

import os

# Read by huggingface_hub when it is imported: nothing is fetched from the network behind the run config's back
# (`models.hub` copies what it names), and by plain HTTP only.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

"""The trainer: the loop that a trainer pod runs, in torch.

Place in the data's way: stations 4 to 10. Tensor names carry their dimensions as suffixes:

* `P` prompts of a step, `G` trajectories of a prompt, `B` rows of a batch (P x G, or rows of a micro-batch)
* `T` tokens of a row, `V` vocabulary, `S` slots of the sampler

`train` is the method on one screen; everything it calls is a pure function or one of the four seams in `seams`.
"""

import os

# Read by huggingface_hub when it is imported: nothing is fetched from the network behind the run config's back
# (`models.hub` copies what it names), and by plain HTTP only.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

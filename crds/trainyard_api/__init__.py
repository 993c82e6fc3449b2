"""The contract: everything that the operator, the trainer and a user's manifest must agree on.

Place in the data's way: all stations meet here. Pydantic models (the single source of the CRDs), names, condition
reasons, the run config, the termination message, the checkpoint manifest and the ledger's tables. This package does no
I/O and imports nothing but pydantic and the standard library.

* `fields`: the kinds of values a manifest may hold (decimal strings, names, quantities) and the models' base class
* `rules`: rules across fields, in CEL and in Python at once
* `kind`: what all kinds share
* `model_source`, `algorithm`, `task`, `evaluation`, `trainer_pod`, `tracking`: the larger parts of the spec
* `progress`: what a trainer pod reports of itself
* `training_job_spec`, `training_job_status`, `training_job`: what a user asks for, what is reported back
* `checkpoint`: the Checkpoint kind
* `manifest`, `object_meta`: a manifest as `kubectl apply` takes or refuses it, where there is no API server
* `validation`: what is wrong with a manifest, one line per fault
* `conditions`: condition types and their closed list of reasons
* `names`: every derived name, label, environment variable and path
* `run_config`: what a trainer pod reads at its start
* `termination`: exit codes and the message a trainer leaves behind
* `checkpoint_manifest`: the files of a checkpoint, their digests, and the marker that commits them
* `ledger`, `migrations/`: the tables that runs are kept in, as data, and the SQL that makes them
* `table`: what a table of the ledger is
* `decimals`, `quantities`: numbers as the API shows them, and as Kubernetes writes them

It raises no errors of its own: a value that breaks a rule is a `pydantic.ValidationError`, which `validation.explain`
puts into words, and a text that is no quantity a `ValueError`.
"""

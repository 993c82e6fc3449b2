"""Writes every generated file of the repository: `python -m hack.generate`, checked by `--check`.

Place in the data's way: before station 1. The contract's models become CRDs and their reference, the operator's failure
table becomes a page, the chart's settings become its values, their schema and its README. Sources are Python; nothing
generated is edited by hand.

* `schema`: a pydantic model as a structural schema; refuses what a CRD must not hold
* `crd`: a kind as a CustomResourceDefinition, plain and as a chart template
* `api_docs`: the reference of both kinds
* `failure_docs`: how a pod's end is read
* `chart_settings`, `chart_values`: what a chart's user may set, and the files that say so
* `chart_status`: which status fields the chart's admission policy protects
* `outputs`: which file comes from which of them
"""

"""Brings first weights and tokenizers, and writes a model as files.

Place in the data's way: station 4. Safetensors only; no code from a model's folder is ever run.
"""

"""Models: where first weights and tokenizers come from, and texts to token ids and back.

Place in the data's way: station 4. Safetensors only; no code from a model's folder is ever run.
"""

"""Makes the tokenizer of a scratch model: one token per character of the task's alphabet.

Place in the data's way: station 4. Written and read back as any transformers tokenizer. Nothing here knows of a task.
"""

from __future__ import annotations

from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

PAD = "<pad>"
END = "<eos>"


def char_tokenizer(alphabet: str) -> PreTrainedTokenizerFast:
    """Makes a tokenizer with `<pad>`, the characters of `alphabet` in their order, and `<eos>`; ids count from 0."""
    vocabulary = {token: number for number, token in enumerate([PAD, *dict.fromkeys(alphabet), END])}
    # Byte-pair encoding without a single merge splits a text into its characters.
    backend = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )

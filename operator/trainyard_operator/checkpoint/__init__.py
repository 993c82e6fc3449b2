"""Checkpoint: claims of trainers, and the objects that stand for committed files."""

"""The demo: the main job on a real cluster, from nothing to checked results, told as it goes."""

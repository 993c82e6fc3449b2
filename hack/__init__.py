"""Everything that builds, tests and shows the product, and is no part of it: cluster, images, generators, demo."""

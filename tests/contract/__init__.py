"""What the contract's tests share: the rules of the schemas, legal manifests, and for each rule one that breaks it."""

"""What a decision is given and what it returns: observed facts, findings, actions, status and events. Pure."""

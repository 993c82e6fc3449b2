"""Tasks: what an agent is asked, the environment that answers it, and demonstrations of how it is done.

Place in the data's way: stations 4 and 5. Built-in tasks are registered like a user's: as entry points of the group
`trainyard.tasks`, each a class that `task.Task` describes. Tasks know nothing of tokens, models or losses.
"""

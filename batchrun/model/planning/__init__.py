"""What a launch does next: the planner, its stimuli and actions, and its parts."""

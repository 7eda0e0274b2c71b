"""What a launch does next: the planner, what it is told, what it answers, and all that it weighs."""

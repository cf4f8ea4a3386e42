"""How good a model is: families of problems with exact graders, runs, statistics and plots.

Enters: any Client. Leaves: results with intervals, as JSON, pictures and a model card. Nothing is imported
here, so that recipes can use `tasks/` without inspect-ai. Read next: `tasks/problem.py`, `runs.py`.
"""

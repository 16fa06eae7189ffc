"""Golden data for schedules, solvers and noise: `python -m training.goldens_solver` writes tests/goldens/{solver,random}."""

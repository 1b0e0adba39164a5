"""Run the models, and describe them: kind, front end, tempo axis, prior and calibration."""

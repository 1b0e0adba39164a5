"""What is known of a model: its kind, front end, tempo axis, prior and calibration."""

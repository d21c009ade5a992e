"""The registry's workers: vetting, sealing, signing, time-stamping."""

"""The offline key ceremony: plan, rehearse, run and verify."""

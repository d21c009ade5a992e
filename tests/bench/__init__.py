"""Measurements: ratios of things run side by side, in alternation, in one sitting."""

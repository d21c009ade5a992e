"""What goes into the container images; each script stands alone."""

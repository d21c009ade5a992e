"""Tests of pki.hsm."""

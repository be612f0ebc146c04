"""Tests of SpotLab; they mirror spotlab/."""

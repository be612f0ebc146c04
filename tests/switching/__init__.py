"""Tests of carrying out switches."""

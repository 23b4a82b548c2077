"""Tests of oss-saveas."""

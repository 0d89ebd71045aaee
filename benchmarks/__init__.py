"""Measurements. Run as scripts; nothing here is asserted."""

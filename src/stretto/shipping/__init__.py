"""Shipping: finished sessions leave the machine as documents, each until the hub has acknowledged it."""

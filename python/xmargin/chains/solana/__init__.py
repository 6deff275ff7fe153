"""Solana: endpoints, account batches at one context slot, slots, and marks of what changed."""

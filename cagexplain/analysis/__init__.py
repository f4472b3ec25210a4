"""From traces to typed results: what a policy did, and how sure the record makes us."""

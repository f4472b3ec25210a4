"""From what an exported folder holds to a policy: a module per kind of policy.

These modules, `cagexplain.export.team` and all that they import are copied into the folder.
"""

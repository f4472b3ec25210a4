"""The checks, one file each; `cagexplain.audit.checks.checks` collects them."""

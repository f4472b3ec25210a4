"""The checks, one file each; `cagexplain.analysis.practices.checks` collects them."""

"""Red tables as agents of CybORG."""

from __future__ import annotations

from typing import Any, Final

from cagexplain.cc4.red_table import RedTable
from cagexplain.envs.cyborg.locate import Api
from cagexplain.envs.cyborg.table_red import TableRed

_OFFICIAL: Final = {
    "finite_state": "FiniteStateRedAgent",
    "verbose": "VerboseFSRed",
    "discovery": "DiscoveryFSRed",
}


def red_class(api: Api, table: RedTable) -> Any:
    """The red agent class of a table: CybORG's own for its own reds, otherwise a subclass of
    ``FiniteStateRedAgent`` that draws as `RedTable` says."""
    if table.name in _OFFICIAL:
        return getattr(api, _OFFICIAL[table.name])
    bases = (TableRed, api.FiniteStateRedAgent)
    return type(TableRed.__name__, bases, {"table": table.document()})

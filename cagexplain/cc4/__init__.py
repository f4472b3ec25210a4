"""The rules of CAGE Challenge 4 as data and names.

One module per subject; nothing here behaves, and every constant of the project comes from here:

* :mod:`~cagexplain.cc4.network` - subnets, hosts, links, what root on a server reveals
* :mod:`~cagexplain.cc4.agents` - who defends, owns and lives where
* :mod:`~cagexplain.cc4.services` - services, decoys, exploits, operating systems
* :mod:`~cagexplain.cc4.phases` - mission phases and zones, green reachability, the comms policy
* :mod:`~cagexplain.cc4.actions` - blue action layouts (82 / 242) and durations
* :mod:`~cagexplain.cc4.observations` - blue observation layouts (92 / 210)
* :mod:`~cagexplain.cc4.layout` - both side by side: tables by action, agent slot and link
* :mod:`~cagexplain.cc4.red_fsm` - red's finite-state machine and its variants
* :mod:`~cagexplain.cc4.green` - green's actions
* :mod:`~cagexplain.cc4.rates` - every probability of the simulator
* :mod:`~cagexplain.cc4.reward` - the penalty table, the weight of zones and hosts
* :mod:`~cagexplain.cc4.outcome` - how an action can end

Source: the CAGE Challenge 4 description and the recorded behaviour of CybORG 4.0.
"""

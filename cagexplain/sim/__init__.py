"""The engine: CC4's complete behaviour, compiled, over a batch of environments.

Seed-exact: it draws from CybORG's own kind of generator in CybORG's own order, so that the same
seed and the same blue actions give the same episode, bit for bit.

* :mod:`~cagexplain.sim.state` - what an environment is made of (one record of arrays)
* :mod:`~cagexplain.sim.rng` - NumPy's PCG64 and its draws, compiled
* :mod:`~cagexplain.sim.world` - world generation
* :mod:`~cagexplain.sim.hosts` - processes, services, ports, events of hosts
* :mod:`~cagexplain.sim.sessions` - red sessions, hand-over, activation
* :mod:`~cagexplain.sim.blue`, :mod:`~cagexplain.sim.green`, :mod:`~cagexplain.sim.red` - actions
* :mod:`~cagexplain.sim.fsm` - red's decisions
* :mod:`~cagexplain.sim.reward`, :mod:`~cagexplain.sim.observe` - what comes back
* :mod:`~cagexplain.sim.step` - the order of one step, on one screen
"""

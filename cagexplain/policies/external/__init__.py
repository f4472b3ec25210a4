"""Policies that others wrote: their code runs in processes of its own, watched and limited.

This is no sandbox: the code has the rights of the user who starts it. What the processes do is keep
its failures, its output and its memory apart from ours.

* `code` - what is run: a private copy of its folder, and the digest that names it
* `forms` - how others write policies, one entry of a table per form
* `processes` - our side: starts the processes, exchanges messages with them, ends them
* `keeper`, `zygote`, `players` - their side; only there foreign code is imported
* `messages` - what both sides say to each other
* `policy` - the policies in front of it, which the rest of the program plays
"""

"""Double oracle (McMahan, Gordon & Blum 2003): policies and attackers that answer each other.

The game is zero-sum: blue chooses a policy, red an attacker, and blue's mean return is what blue
wants high and red low. Both sides keep a list. Each round
solves the matrix game of the table of all pairs for a mixture of each list, and adds to each an
answer to the mixture of the other: first an attacker that is searched for, then, to the mixture of
attackers that it changes, a policy that is trained.
"""

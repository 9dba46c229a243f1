"""Those who mean harm, each a coroutine that goes on until it is cancelled, in a process of their own.

`python -m support.attackers NAME AIM` plays some of them together. None knows how well it is defended against.
"""

"""A client of the game server in Python: docs/sdk.md says how to use it.

Each part is of use alone, and pure but for ``GameClient`` and ``Pacer``.
"""

from gameclient.client import GameClient, JoinRefused
from gameclient.clock import ServerClock
from gameclient.happening import Event, Frame, Happening, Left, Lost
from gameclient.inputs import InputBuffer
from gameclient.link import Ended
from gameclient.pacer import Pacer
from gameclient.prediction import Predictor
from gameclient.timeline import Moment, Timeline, mix, mix_angle

__all__ = (
    "Ended",
    "Event",
    "Frame",
    "GameClient",
    "Happening",
    "InputBuffer",
    "JoinRefused",
    "Left",
    "Lost",
    "Moment",
    "Pacer",
    "Predictor",
    "ServerClock",
    "Timeline",
    "mix",
    "mix_angle",
)

"""What is known about how long renders of a type take: learned, or else a first guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal

from worker.domain.scheduling.hazard import Hazard, guess, unknown
from worker.domain.scheduling.settling import SettlingRates

Source = Literal["learned", "published", "kind", "unknown"]
# The pseudo-type for a whole kind.
ANY_TYPE: Final = ""
# Median seconds from create to complete, as published by the vendor in July 2026.
PUBLISHED: Final[Mapping[tuple[str, str], float]] = {
    ("audio", "VOICE_CLONER"): 21.0,
    ("audio", "VOICE_GENERATOR"): 21.0,
    ("image", "AI_GIF"): 23.0,
    ("image", "AI_HEADSHOT"): 14.0,
    ("image", "AI_IMAGE"): 5.0,
    ("image", "AI_IMAGE_EDITOR"): 9.0,
    ("image", "AI_MEME"): 9.0,
    ("image", "BACKGROUND_REMOVER"): 4.0,
    ("image", "BODY_SWAP"): 38.0,
    ("image", "CLOTHES_CHANGER"): 13.0,
    ("image", "FACE_EDITOR"): 3.0,
    ("image", "FACE_SWAP"): 4.0,
    ("image", "HEAD_SWAP"): 18.0,
    ("image", "IMAGE_UPSCALER"): 22.0,
    ("image", "PHOTO_COLORIZER"): 9.0,
    ("image", "QR_CODE"): 7.0,
    ("video", "ANIMATION"): 596.0,
    ("video", "AUDIO_TO_VIDEO"): 117.0,
    ("video", "AUTO_SUBTITLE"): 45.0,
    ("video", "CHARACTER_REPLACE"): 446.0,
    ("video", "FACE_SWAP"): 96.0,
    ("video", "IMAGE_TO_VIDEO"): 74.0,
    ("video", "LIP_SYNC"): 229.0,
    ("video", "TALKING_PHOTO"): 174.0,
    ("video", "TEXT_TO_VIDEO"): 51.0,
    ("video", "VIDEO_EDITOR"): 85.0,
    ("video", "VIDEO_TO_VIDEO"): 772.0,
}
_UNKNOWN: Final = unknown()
_guess = cache(guess)


@dataclass(frozen=True)
class Durations:
    """The learned hazards by (kind, type), with a first guess for missing ones.

    ``settling`` has the rates of credit changes after the end, by (kind, type, status).
    """

    learned: Mapping[tuple[str, str], Hazard] = field(default_factory=dict)
    settling: Mapping[tuple[str, str, str], SettlingRates] = field(default_factory=dict)

    def of(self, kind: str, type_: str | None) -> Hazard:
        """Return the hazard of a type, learned or guessed."""
        return self.known(kind, type_)[0]

    def known(self, kind: str, type_: str | None) -> tuple[Hazard, Source]:
        """Return the same with its source."""
        key = (kind, type_ or ANY_TYPE)
        if type_ and key in self.learned:
            return self.learned[key], "learned"
        if key in PUBLISHED:
            return _guess(PUBLISHED[key]), "published"
        if (kind, ANY_TYPE) in self.learned:
            return self.learned[kind, ANY_TYPE], "kind"
        return _UNKNOWN, "unknown"


def first_guess(kind: str, type_: str) -> Hazard:
    """Return the hazard assumed for a type before any of its renders was seen."""
    return _guess(PUBLISHED[kind, type_]) if (kind, type_) in PUBLISHED else _UNKNOWN

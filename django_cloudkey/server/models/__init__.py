"""
The cloud's rows: whose, what, in which state. They know neither HTTP nor ffmpeg.

Import them from here; migrations name the functions of their defaults as of here too.
"""

from .accounts import Account as Account
from .accounts import AccountSecret as AccountSecret
from .accounts import LegacyUse as LegacyUse
from .accounts import Organisation as Organisation
from .accounts import new_key as new_key
from .accounts import new_secret_text as new_secret_text
from .database import atomic as atomic
from .database import disconnect as disconnect
from .ids import new_id as new_id
from .jobs import Job as Job
from .media import Asset as Asset
from .media import DiscardedFile as DiscardedFile
from .media import Media as Media
from .media import UploadSlot as UploadSlot
from .media import new_slot_id as new_slot_id
from .notifications import Notification as Notification
from .notifications import new_notification_id as new_notification_id
from .requests import OneTimeClaim as OneTimeClaim
from .requests import RateCounter as RateCounter
from .requests import SavedAnswer as SavedAnswer

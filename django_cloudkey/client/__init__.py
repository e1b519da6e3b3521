"""
The CloudKey SDK. It works without Django.

::

    from django_cloudkey.client import CloudKey, SecLevel

    cloudkey = CloudKey(USER_ID, API_KEY, "https://video.example.org")
    cloudkey.media.list(fields=["id", "meta.title"], per_page=20)
    cloudkey.media.get_embed_url(media_id, SecLevel.IP, ip="192.0.2.7")
"""

from ..protocol.drm import gen_drm_token as gen_drm_token
from ..protocol.exceptions import ApplicationException as ApplicationException
from ..protocol.exceptions import AuthenticationError as AuthenticationError
from ..protocol.exceptions import Exists as Exists
from ..protocol.exceptions import InvalidCall as InvalidCall
from ..protocol.exceptions import InvalidMethod as InvalidMethod
from ..protocol.exceptions import InvalidObject as InvalidObject
from ..protocol.exceptions import InvalidParameter as InvalidParameter
from ..protocol.exceptions import InvalidRequest as InvalidRequest
from ..protocol.exceptions import LimitExceeded as LimitExceeded
from ..protocol.exceptions import MissingParameter as MissingParameter
from ..protocol.exceptions import NotFound as NotFound
from ..protocol.exceptions import ProcessorException as ProcessorException
from ..protocol.exceptions import RateLimitExceeded as RateLimitExceeded
from ..protocol.exceptions import RPCException as RPCException
from ..protocol.exceptions import SerializerError as SerializerError
from ..protocol.exceptions import TransportException as TransportException
from ..protocol.normalization import normalize as normalize
from ..protocol.seclevel import SecLevel as SecLevel
from ..protocol.signing import sign as sign
from ..protocol.signing import sign_url as sign_url
from .cloudkey import CloudKey as CloudKey

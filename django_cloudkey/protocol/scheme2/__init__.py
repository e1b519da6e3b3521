"""
Scheme 2: what this package's two halves speak to each other, beside the historical scheme.

Keys per purpose that rotate (:mod:`.keys`), addresses that are JWTs (:mod:`.url_token`), calls with
a time, a nonce and the hash of their body (:mod:`.request`), notifications as Standard Webhooks
(:mod:`.webhook`). Each is signed and verified in one module.
"""

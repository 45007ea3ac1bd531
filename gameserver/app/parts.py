"""Parts of a node that need its settings and nothing of the other parts; ``root`` joins them.

Each is entered into the ``stack`` that it is given, and so is stopped with it.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from gameserver.adapters import redis_client
from gameserver.adapters.cognito import CognitoVerifier
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_profiles import DynamoProfiles
from gameserver.adapters.dynamodb_sessions import DynamoSessions
from gameserver.adapters.identity_sealer import IdentitySealer
from gameserver.adapters.jwks import JwksCache
from gameserver.adapters.kms import Kms
from gameserver.adapters.recordings import PostgresRecordings
from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.adapters.redis_revocations import DAY_MS, RedisRevocations
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.adapters.redis_together import Together
from gameserver.adapters.sealing import ProfileSealer, SealedMatchStore, SealedRecordings
from gameserver.cache.shared import SharedCache
from gameserver.cluster.revocations import RevocationWatch
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.players.profiles import Profiles
from gameserver.players.recorder import SessionRecorder
from gameserver.ports import Clock, Entropy, MatchStore, Recordings

logger = logging.getLogger(__name__)

_API_CONNECTIONS_MAX = 16
_ROUNDS_CONNECTIONS_MAX = 4


@dataclass(frozen=True, slots=True)
class Base:
    """What every part is built with. Where a method is given ``keys`` of ``None``, nothing is
    encrypted. Each raises what its part raises when it does not answer."""

    config: Config
    node: str
    clock: Clock
    entropy: Entropy
    metrics: Metrics

    async def data_keys(self, stack: AsyncExitStack) -> DataKeys | None:
        """``None`` where nothing is to be encrypted. Raises ``KeysUnavailable``."""
        if self.config.plaintext_at_rest:
            logger.warning("plaintext_at_rest: names and chat are stored for all to read")
            return None
        kms = await stack.enter_async_context(Kms(self.config, metrics=self.metrics))
        keys = DataKeys.of(kms, self.config, entropy=self.entropy, metrics=self.metrics)
        await keys.start()
        return keys

    async def match_store(self, stack: AsyncExitStack, keys: DataKeys | None) -> MatchStore:
        """Checkpoints, leases and outboxes in Redis."""
        store = await stack.enter_async_context(
            RedisMatchStore.connect(self.config, metrics=self.metrics)
        )
        await store.check_server()
        return store if keys is None else SealedMatchStore(store, keys)

    def recordings(self, keys: DataKeys | None) -> Recordings:
        """Where replays come from."""
        config = self.config
        stored = PostgresRecordings(config.recordings_dsn, bytes_max=config.replay_bytes_max)
        return stored if keys is None else SealedRecordings(stored, keys)

    async def cache(self, stack: AsyncExitStack) -> SharedCache:
        """The cache over Redis."""
        store = RedisCacheStore(self.config, entropy=self.entropy, metrics=self.metrics)
        cache = SharedCache(store, self.config, entropy=self.entropy, metrics=self.metrics)
        await stack.enter_async_context(store)
        stack.push_async_callback(cache.close)
        return cache

    async def players(
        self, stack: AsyncExitStack, cache: SharedCache, keys: DataKeys | None
    ) -> tuple[Profiles | None, SessionRecorder | None]:
        """Each ``None`` where no table is set for it."""
        config = self.config
        if not config.profiles_table and not config.sessions_table:
            return None, None
        db = await stack.enter_async_context(DynamoDb(config, metrics=self.metrics))
        profiles = sessions = None
        if config.profiles_table:
            profiles = Profiles(
                DynamoProfiles(db, table=config.profiles_table),
                cache,
                IdentitySealer() if keys is None else ProfileSealer(keys),
                clock=self.clock,
                ttl_ms=config.profile_ttl_ms,
            )
        if config.sessions_table:
            sessions = DynamoSessions(db, table=config.sessions_table, clock=self.clock)
        recorder = SessionRecorder(
            sessions=sessions,
            profiles=profiles,
            node=self.node,
            records_max=config.session_records_max,
            clock=self.clock,
            entropy=self.entropy,
            metrics=self.metrics,
        )
        recorder.start()
        stack.push_async_callback(recorder.stop)
        return profiles, recorder

    async def verifier(self, stack: AsyncExitStack) -> CognitoVerifier:
        """Checks tokens against Cognito's keys."""
        config = self.config
        jwks = JwksCache(
            config.cognito_jwks_url or f"{config.cognito_issuer}/.well-known/jwks.json",
            http=await stack.enter_async_context(aiohttp.ClientSession()),
            cooldown_ms=config.jwks_cooldown_ms,
            max_age_ms=config.jwks_max_age_ms,
            metrics=self.metrics,
        )
        stack.push_async_callback(jwks.close)
        return CognitoVerifier(
            jwks,
            issuer=config.cognito_issuer,
            client_ids=config.cognito_client_ids,
            clock=self.clock,
            leeway_ms=config.token_leeway_ms,
            metrics=self.metrics,
        )

    async def revocations(self, stack: AsyncExitStack) -> RevocationWatch:
        """Who was signed out, on all nodes."""
        log = RedisRevocations.connect(self.config, metrics=self.metrics)
        watch = RevocationWatch(
            await stack.enter_async_context(log),
            player_kept_ms=self.config.revocation_days * DAY_MS,
            clock=self.clock,
            entropy=self.entropy,
            metrics=self.metrics,
        )
        await watch.start()
        stack.push_async_callback(watch.stop)
        return watch

    async def redis_for_rounds(self, stack: AsyncExitStack) -> Together:
        """One of its own, so that no storm of calls makes a node look dead."""
        client = redis_client.connect(
            self.config, name="gameserver-rounds", connections_max=_ROUNDS_CONNECTIONS_MAX
        )
        stack.push_async_callback(client.aclose)
        await redis_client.begin(client)
        return Together(client)

    async def redis_for_api(self, stack: AsyncExitStack) -> redis_client.Client:
        """A few connections of the API's own, so that a storm of tickets never delays a commit."""
        client = redis_client.connect(
            self.config, name="gameserver-api", connections_max=_API_CONNECTIONS_MAX
        )
        stack.push_async_callback(client.aclose)
        await redis_client.begin(client)
        return client

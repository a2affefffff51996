"""fastapi-users on the Postgres that Reactor uses: argon2id at the same cost, and tokens that can be revoked.

Run by an interpreter that has `peer_auth_requirements.txt`: python peer_auth.py PORT DSN MEMORY_KIB ITERATIONS LANES
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = "a benchmark's secret, long enough for it"


class Base(DeclarativeBase):
    """The tables."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """A user."""


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    """A session."""


class Manager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """What fastapi-users asks an application to define."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


def application(dsn: str, helper: PasswordHelper) -> FastAPI:
    """Make the application of the documentation's full example."""
    engine = create_async_engine(dsn, pool_size=10)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    async def users(opened: AsyncSession = Depends(session)) -> AsyncIterator[Any]:  # noqa: B008 - FastAPI's way
        yield SQLAlchemyUserDatabase(opened, User)

    async def tokens(opened: AsyncSession = Depends(session)) -> AsyncIterator[Any]:  # noqa: B008
        yield SQLAlchemyAccessTokenDatabase(opened, AccessToken)

    async def manager(found: Any = Depends(users)) -> AsyncIterator[Manager]:  # noqa: B008
        yield Manager(found, helper)

    def strategy(found: Any = Depends(tokens)) -> Any:  # noqa: B008
        return DatabaseStrategy(found, lifetime_seconds=3600)

    backend = AuthenticationBackend("db", BearerTransport("login"), strategy)
    fastapi_users = FastAPIUsers[User, uuid.UUID](manager, [backend])
    app = FastAPI(lifespan=lifespan)
    app.include_router(fastapi_users.get_auth_router(backend))
    app.include_router(fastapi_users.get_register_router(schemas.BaseUser[uuid.UUID], schemas.BaseUserCreate))
    app.include_router(
        fastapi_users.get_users_router(schemas.BaseUser[uuid.UUID], schemas.BaseUserUpdate), prefix="/users"
    )
    return app


def main() -> None:
    """Serve until a signal."""
    port, dsn, memory, iterations, lanes = sys.argv[1:]
    hasher = Argon2Hasher(time_cost=int(iterations), memory_cost=int(memory), parallelism=int(lanes))
    app = application(dsn, PasswordHelper(PasswordHash((hasher,))))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()

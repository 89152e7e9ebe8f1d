"""Accounts of staff: passwords, sessions on the server, lockout, and a record of what was done."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from catalog.errors import UserError
from catalog.schema import AuditRow, StaffRow, StaffSessionRow

Role = Literal["agent", "lead", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION = timedelta(hours=12)
SHORTEST_PASSWORD = 10
FAILURES = 5  # wrong passwords in a row, after which the account is locked ...
LOCKED = timedelta(minutes=15)  # ... for so long
_NAME = re.compile(r"[\w.\- ]{1,60}")


class StaffError(UserError):
    """An account that cannot be made, found or used."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff. `lead` may see everybody's figures, `admin` may do everything."""

    name: str
    role: Role
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in member of staff; `csrf` is what every change must bring along."""

    staff: Staff
    csrf: str


class StaffStore:
    """Accounts, sessions and the audit log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hasher = PasswordHasher()  # argon2id with the library's parameters (RFC 9106)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))  # takes a wrong name as long as a wrong password

    def add(self, name: str, password: str, role: str = "agent") -> None:
        """A new account. Raises `StaffError` for a name, password or role that cannot be."""
        if not _NAME.fullmatch(name):
            raise StaffError(f"{name!r} is no name: use letters, digits, '.', '-', '_' and spaces, at most 60")
        if role not in ROLES:
            raise StaffError(f"{role!r} is no role: there are {', '.join(ROLES)}")
        row = {
            "name": name, "role": role, "password_hash": self._hash(password), "disabled": False, "failures": 0,
            "created": datetime.now(UTC),
        }  # fmt: skip
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(StaffRow), row)
        except IntegrityError as error:
            raise StaffError(f"there is a {name!r} already") from error
        self.audit(name, "account added", role)

    def all(self) -> list[Staff]:
        """All accounts by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(StaffRow.name, StaffRow.role, StaffRow.disabled).order_by(StaffRow.name))
            return [Staff(name, _role(role), disabled) for name, role, disabled in rows.tuples()]

    def disable(self, name: str) -> None:
        """Let an account sign in no more; its sessions end at once."""
        self._change(name, disabled=True)
        self.audit(name, "account disabled")

    def set_password(self, name: str, password: str) -> None:
        """A new password; sessions end at once."""
        self._change(name, password_hash=self._hash(password), failures=0, locked_until=None)
        self.audit(name, "password changed")

    def sign_in(self, name: str, password: str, now: datetime | None = None) -> tuple[str, Session]:
        """A session's token and the session.

        Raises `StaffError`; it does not tell whether name or password was wrong.
        """
        now = now or datetime.now(UTC)
        with self._engine.connect() as connection:
            row = connection.execute(select(StaffRow.__table__).where(StaffRow.name == name)).first()
        if row is not None and row.locked_until and row.locked_until > now:
            raise StaffError("too many wrong passwords: try again in a quarter of an hour")
        right = self._verify(row.password_hash if row is not None else self._nobody, password)
        if row is None or row.disabled or not right:
            if row is not None:
                self._failed(row, now)
            raise StaffError("name or password is wrong")
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = {"token_hash": _digest(token), "staff_name": name, "csrf": csrf, "expires": now + SESSION}
        with self._engine.begin() as connection:
            connection.execute(delete(StaffSessionRow).where(StaffSessionRow.expires < now))
            connection.execute(insert(StaffSessionRow), session)
            connection.execute(update(StaffRow).where(StaffRow.name == name).values(failures=0, locked_until=None))
        self.audit(name, "signed in")
        return token, Session(Staff(name, _role(row.role)), csrf)

    def session(self, token: str | None, now: datetime | None = None) -> Session | None:
        """The session of a token, None if there is none, it has ended, or the account was disabled."""
        if not token:
            return None
        statement = (
            select(StaffRow.name, StaffRow.role, StaffSessionRow.csrf)
            .join(StaffSessionRow, StaffSessionRow.staff_name == StaffRow.name)
            .where(
                StaffSessionRow.token_hash == _digest(token),
                StaffSessionRow.expires > (now or datetime.now(UTC)),
                StaffRow.disabled.is_(False),
            )
        )
        with self._engine.connect() as connection:
            row = connection.execute(statement).first()
        return Session(Staff(row.name, _role(row.role)), row.csrf) if row else None

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self._engine.begin() as connection:
            connection.execute(delete(StaffSessionRow).where(StaffSessionRow.token_hash == _digest(token)))

    def audit(self, name: str, action: str, detail: str = "") -> None:
        """Note what somebody did."""
        row = {"staff_name": name, "action": action, "detail": detail, "time": datetime.now(UTC)}
        with self._engine.begin() as connection:
            connection.execute(insert(AuditRow), row)

    def audited(self, limit: int = 200) -> list[tuple[str, str, str, datetime]]:
        """(who, what, detail, when) of the latest entries, latest first."""
        statement = (
            select(AuditRow.staff_name, AuditRow.action, AuditRow.detail, AuditRow.time)
            .order_by(AuditRow.id.desc())
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(statement).tuples())

    def _change(self, name: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            changed = connection.execute(update(StaffRow).where(StaffRow.name == name).values(**values)).rowcount
            connection.execute(delete(StaffSessionRow).where(StaffSessionRow.staff_name == name))
        if not changed:
            raise StaffError(f"there is no {name!r}")

    def _failed(self, row: Any, now: datetime) -> None:
        failures = row.failures + 1
        locked = now + LOCKED if failures >= FAILURES else None
        values: dict[str, Any] = {"failures": 0 if locked else failures, "locked_until": locked}
        with self._engine.begin() as connection:
            connection.execute(update(StaffRow).where(StaffRow.name == row.name).values(**values))
        self.audit(row.name, "locked" if locked else "wrong password")

    def _hash(self, password: str) -> str:
        if len(password) < SHORTEST_PASSWORD:
            raise StaffError(f"a password has at least {SHORTEST_PASSWORD} characters")
        return self._hasher.hash(password)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except VerificationError:
            return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _role(text: str) -> Role:
    return next(role for role in ROLES if role == text)

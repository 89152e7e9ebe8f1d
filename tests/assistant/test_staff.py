"""Accounts of staff."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from assistant.staff import FAILURES, LOCKED, SESSION, StaffError, StaffStore
from catalog.schema import StaffRow, StaffSessionRow

PASSWORD = "correct horse battery"


@pytest.fixture
def staff(engine: Engine) -> StaffStore:
    store = StaffStore(engine)
    store.add("lin", PASSWORD)
    store.add("小王", PASSWORD, "lead")
    return store


def test_signing_in_and_out(staff: StaffStore, engine: Engine) -> None:
    token, session = staff.sign_in("小王", PASSWORD)
    assert (session.staff.name, session.staff.role) == ("小王", "lead")
    assert staff.session(token) == session
    with engine.connect() as connection:
        stored = [
            *connection.scalars(select(StaffSessionRow.token_hash)),
            *connection.scalars(select(StaffRow.password_hash)),
        ]
    assert not any(token in text or PASSWORD in text for text in stored)
    staff.sign_out(token)
    assert staff.session(token) is None
    assert staff.session(None) is staff.session("made up") is None


def test_sessions_end(staff: StaffStore) -> None:
    now = datetime.now(UTC)
    token, _ = staff.sign_in("lin", PASSWORD)
    assert staff.session(token, now + SESSION - timedelta(minutes=1))
    assert staff.session(token, now + SESSION + timedelta(minutes=1)) is None


def test_a_wrong_name_and_a_wrong_password_are_told_alike(staff: StaffStore) -> None:
    told = []
    for name, password in (("lin", "wrong wrong wrong"), ("nobody", PASSWORD)):
        with pytest.raises(StaffError) as error:
            staff.sign_in(name, password)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_guessing_locks_the_account_for_a_while(staff: StaffStore) -> None:
    now = datetime.now(UTC)
    for _ in range(FAILURES):
        with pytest.raises(StaffError, match="name or password is wrong"):
            staff.sign_in("lin", "guess guess guess", now)
    with pytest.raises(StaffError, match="too many wrong passwords"):
        staff.sign_in("lin", PASSWORD, now)
    assert staff.sign_in("lin", PASSWORD, now + LOCKED + timedelta(seconds=1))
    assert "locked" in [action for _, action, _, _ in staff.audited()]


def test_disabling_and_a_new_password_end_sessions(staff: StaffStore) -> None:
    token, _ = staff.sign_in("lin", PASSWORD)
    staff.set_password("lin", "another long one")
    assert staff.session(token) is None
    token, _ = staff.sign_in("lin", "another long one")
    staff.disable("lin")
    assert staff.session(token) is None
    with pytest.raises(StaffError):
        staff.sign_in("lin", "another long one")
    assert [(s.name, s.disabled) for s in staff.all()] == [("lin", True), ("小王", False)]


@pytest.mark.parametrize(
    ("name", "password", "role", "why"),
    [("lin", PASSWORD, "agent", "there is a 'lin' already"), ("<b>", PASSWORD, "agent", "is no name"),
     ("wei", "short", "agent", "at least 10"), ("wei", PASSWORD, "king", "'king' is no role")],
)  # fmt: skip
def test_accounts_that_cannot_be_made(staff: StaffStore, name: str, password: str, role: str, why: str) -> None:
    with pytest.raises(StaffError, match=why):
        staff.add(name, password, role)
    with pytest.raises(StaffError, match="there is no 'nobody'"):
        staff.disable("nobody")

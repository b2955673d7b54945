"""The names that viewers of the page give objects: who sees them, and when they are forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

from web_helpers import PATIENCE, looking, view


def test_all_viewers_see_a_name_and_a_pause(server, backend):
    async def act() -> dict:
        async with looking(server) as onlooker, looking(server) as other:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(ids=(1, 2)))
            await other.receive("frame")
            await onlooker.send(type="rename", object=2, name="  my\n<b>mug</b>\u0007 ")
            await onlooker.send(type="pause", paused=True)
            while not (told := await other.receive("condition"))["paused"]:
                pass
            return told

    told = asyncio.run(act())
    assert told["names"] == {"2": "my<b>mug</b>"} and told["viewers"] == 2


async def name_one_of_two(onlooker, backend, object_id: int) -> None:
    """Show objects 1 and 2, and name one of them "mug"."""
    assert backend.watched.wait(PATIENCE)
    backend.show(view(ids=(1, 2)))
    await onlooker.receive("frame")
    await onlooker.send(type="rename", object=object_id, name="mug")
    while (await onlooker.receive("condition"))["names"] != {str(object_id): "mug"}:
        pass


def test_a_name_does_not_pass_to_another_object_of_the_id(server, backend):
    async def act() -> list[dict]:
        async with looking(server) as onlooker:
            await name_one_of_two(onlooker, backend, 1)
            backend.show(view(ids=()))  # a reset
            backend.show(view(ids=(1,)))
            return (await onlooker.receive("condition"))["names"]

    assert asyncio.run(act()) == {}


def test_a_name_does_not_pass_to_an_object_that_got_its_id_between_two_views_or_while_nobody_looked(server, backend):
    async def act() -> list[dict]:
        names = []
        async with looking(server) as onlooker:
            await name_one_of_two(onlooker, backend, 1)
            backend.id_changes += 1
            names.append((await onlooker.receive("condition"))["names"])
            await onlooker.send(type="rename", object=2, name="mug")
            names.append((await onlooker.receive("condition"))["names"])
            backend.id_changes += 1
            await onlooker.send(type="rename", object=1, name="cup")  # by who has seen already that it is another
            names.append((await onlooker.receive("condition"))["names"])
        backend.id_changes += 1
        async with looking(server) as onlooker:
            names.append((await onlooker.receive("condition"))["names"])
        return names

    assert asyncio.run(act()) == [{}, {"2": "mug"}, {"1": "cup"}, {}]


def test_a_name_stays_while_a_frame_fails(server, backend):
    async def act() -> list[dict]:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(ids=(1,)))
            await onlooker.receive("frame")
            await onlooker.send(type="rename", object=1, name="mug")
            while (await onlooker.receive("condition"))["names"] != {"1": "mug"}:
                pass
            backend.show(replace(view(ids=()), others=frozenset({1})))
            await onlooker.send(type="pause", paused=True)
            return (await onlooker.receive("condition"))["names"]

    assert asyncio.run(act()) == {"1": "mug"}


@pytest.mark.parametrize(("ids", "there"), [((), "none"), ((1, 2), "1, 2")])
def test_to_rename_an_object_that_is_not_there_is_refused(server, backend, ids, there):
    async def act() -> dict:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(ids=ids))
            await onlooker.receive("frame")
            await onlooker.send(type="rename", object=65535, name="mug")
            return await onlooker.receive("answer")

    answer = asyncio.run(act())
    assert not answer["ok"] and answer["text"] == f"object: expected one that is there ({there}); got 65535"


def test_a_name_is_forgotten_with_its_object(server, backend):
    async def act() -> None:
        async with looking(server) as onlooker:
            await name_one_of_two(onlooker, backend, 2)
            backend.show(view(ids=(1,)))
            while (await onlooker.receive("condition"))["names"] != {}:
                pass

    asyncio.run(act())

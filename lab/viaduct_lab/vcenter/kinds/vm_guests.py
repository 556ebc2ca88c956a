"""Keeping virtual machines and the guests that really run in line."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from viaduct_lab.vcenter.core.kinds import on_start, on_stop
from viaduct_lab.vcenter.kinds import vm_power
from viaduct_lab.vcenter.kinds.virtual_machine import VirtualMachine
from viaduct_lab.vcenter.vm import guests, making
from viaduct_lab.vcenter.vm.state import POWERED_OFF, POWERED_ON

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

_THREADS = 24


class GuestWatch:
    """Reads a guest's status after each change that the runtime tells of, one reading at a time."""

    def __init__(self, center: VCenter) -> None:
        self._center = center
        self._loop = asyncio.get_running_loop()
        self._pending: set[str] = set()
        self._reading: set[str] = set()

    def changed(self, vm_id: str) -> None:
        """From any thread: the guest's status may have changed."""
        self._loop.call_soon_threadsafe(self._note, vm_id)

    def _note(self, vm_id: str) -> None:
        self._pending.add(vm_id)
        if vm_id not in self._reading:
            self._reading.add(vm_id)
            self._center.spawn(self._read(vm_id))

    async def _read(self, vm_id: str) -> None:
        try:
            while vm_id in self._pending:
                self._pending.discard(vm_id)
                machine = self._center.registry.get(vm_id)
                if isinstance(machine, VirtualMachine):
                    await vm_power.follow(machine)
                    self._center.commit()
        finally:
            self._reading.discard(vm_id)


@on_start(5)
def make_room_for_blocking_work(center: VCenter) -> None:
    """Many threads: a few long disk conversions must not hold up everybody else."""
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="blocking")
    asyncio.get_running_loop().set_default_executor(pool)


@on_start(45)
async def clear_unfinished(center: VCenter) -> None:
    """Remove machines that were being made when vCenter died."""
    await making.remove_unfinished(center)


@on_start(60)
async def adopt(center: VCenter) -> None:
    """Make the runtime, find the guests that run, and correct recorded power states."""
    guests.make_runtime(center)
    runtime = guests.runtime_of(center)
    if runtime is None:
        _without_runtime(center)
        return
    machines = {machine.moid: machine for machine in center.registry.of_kind(VirtualMachine)}
    for vm_id in await asyncio.to_thread(runtime.kept):
        if vm_id not in machines:
            # vCenter died while the machine was destroyed.
            await guests.call(center, "forget", vm_id)
    alive = frozenset(await asyncio.to_thread(runtime.adopt))
    runtime.watch(GuestWatch(center).changed)
    for vm_id in alive & machines.keys():
        machine = machines[vm_id]
        if machine.power_state == POWERED_OFF:
            # vCenter died between starting the guest and noting it.
            machine.state.power.state, machine.state.power.guest = POWERED_ON, True
            machine.state.power.boot_time = center.now()
            machine.power_changed()
        await vm_power.follow(machine)
    for machine in machines.values():
        if machine.is_guest and machine.moid not in alive and machine.power_state != POWERED_OFF:
            vm_power.ended(machine, clean=False)


def _without_runtime(center: VCenter) -> None:
    """Simulated machines have gone on running; guests of an earlier runtime have not."""
    for machine in center.registry.of_kind(VirtualMachine):
        if machine.is_guest:
            vm_power.ended(machine, clean=False)
        elif machine.power_state == POWERED_ON:
            machine.state.guest.tools_running = True


@on_stop(60)
def close(center: VCenter) -> None:
    """Stop watching; the guests go on running."""
    runtime = guests.runtime_of(center)
    if runtime is not None:
        runtime.close()

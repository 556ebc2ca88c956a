"""Deletes all VMs (no templates) of a lab's vCenter: ``lose_nodes.py STATE``. Used by figures.py."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import yaml
from pyVim.connect import SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

state = Path(sys.argv[1])
wanted = yaml.safe_load((state / "lab" / "site.yaml").read_text())["vcenter"]
content = SmartConnect(
    host=wanted["host"],
    user=wanted["username"],
    pwd=Path(wanted["password_file"]).read_text().strip(),
    sslContext=ssl.create_default_context(cafile=wanted["ca_file"]),
).content
view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
for machine in view.view:
    if machine.config.template:
        continue
    if machine.runtime.powerState == "poweredOn":
        WaitForTask(machine.PowerOffVM_Task())
    WaitForTask(machine.Destroy_Task())

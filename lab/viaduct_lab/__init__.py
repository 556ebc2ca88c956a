"""The lab: a simulated data centre whose powered-on appliance VMs are real Linux guests."""

"""SOAP messages to and from pyVmomi objects, on the server's side."""

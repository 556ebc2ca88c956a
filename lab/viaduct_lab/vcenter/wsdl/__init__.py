"""The service description (WSDL and XML schema), generated from pyVmomi's registry."""

"""The API's operations, a module a resource."""

"""Health of the components: probes, records and reports."""

"""What Prefect shows of campaigns: pages, tables, moments, and whom they are told."""

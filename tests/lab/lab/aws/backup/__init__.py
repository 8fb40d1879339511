"""AWS Backup of the lab: vaults, recovery points, jobs, settings and the wire protocol."""

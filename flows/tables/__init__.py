"""The tables of campaign.toml: one strict model each."""

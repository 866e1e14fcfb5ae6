"""Ready-made pipelines that use the public API and are configured by TOML presets."""

"""The console: where those who work look up what they must do now."""

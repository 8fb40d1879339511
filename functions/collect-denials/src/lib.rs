//! Keeps the denials that arrive as CloudTrail events.

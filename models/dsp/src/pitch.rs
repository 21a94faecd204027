//! Pitch.

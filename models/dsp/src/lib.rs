//! Streaming analysis: pitch, mel spectrum and loudness.

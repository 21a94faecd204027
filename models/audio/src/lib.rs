//! Sound files and resampling.

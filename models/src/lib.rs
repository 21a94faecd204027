//! mien-models

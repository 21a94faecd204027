//! mien

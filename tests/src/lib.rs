//! mien-tests

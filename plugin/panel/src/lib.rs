//! mien-panel

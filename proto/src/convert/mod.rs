//! To and from the wire.

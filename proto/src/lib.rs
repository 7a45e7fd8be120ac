//! The wire format, and the only place where it meets the vocabulary of `common`.

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod convert;

/// The generated types.
#[allow(
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("skep.v1");
}

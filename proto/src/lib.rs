//! The wire format, and the only place where it meets the vocabulary of `common`.

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

//! To and from the wire. Behind this module nobody knows protobuf, and what comes through it has
//! been checked: every enum is specified, every message is there, every text is parsed.

mod assignment;
mod container;
mod file;
mod network;
mod node;
mod service;
mod stack;
mod task;
mod update;

#[cfg(test)]
mod file_round_trip;
#[cfg(test)]
mod network_round_trip;
#[cfg(test)]
mod round_trip;

pub use assignment::{read_assignment, read_assignments};
pub use file::{Shown, file_key};

use crate::v1;
use common::resources::Resources;
use common::{Stamp, Timestamp, WallTime};
use std::fmt::Display;
use std::str::FromStr;

/// A message that this version cannot make sense of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Malformed {
    pub field: &'static str,
    pub reason: String,
}

impl Malformed {
    fn missing(field: &'static str) -> Malformed {
        Malformed { field, reason: "it is missing".to_owned() }
    }
}

/// A field that proto3 lets be absent and we do not.
fn required<W, T>(value: Option<W>, field: &'static str) -> Result<T, Malformed>
where
    T: TryFrom<W>,
    Malformed: From<T::Error>,
{
    Ok(T::try_from(value.ok_or_else(|| Malformed::missing(field))?)?)
}

fn parsed<T>(text: &str, field: &'static str) -> Result<T, Malformed>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| Malformed { field, reason: error.to_string() })
}

/// Enums travel as bare numbers, of which the other side may know more than we do.
fn specified<W, T>(number: i32, field: &'static str) -> Result<T, Malformed>
where
    W: TryFrom<i32>,
    T: TryFrom<W, Error = Malformed>,
{
    let unknown = |_| Malformed {
        field,
        reason: format!("value {number} is not known here; the other side may run a newer skep"),
    };
    T::try_from(W::try_from(number).map_err(unknown)?)
}

fn specified_if_any<W, T>(number: Option<i32>, field: &'static str) -> Result<Option<T>, Malformed>
where
    W: TryFrom<i32>,
    T: TryFrom<W, Error = Malformed>,
{
    number.map(|it| specified::<W, T>(it, field)).transpose()
}

impl From<std::convert::Infallible> for Malformed {
    fn from(never: std::convert::Infallible) -> Malformed {
        match never {}
    }
}

/// Both directions of an enum whose variants have the same names on the wire.
macro_rules! enums {
    ($($field:literal: $wire:path = $ours:path { $($variant:ident)* })*) => {$(
        impl TryFrom<$wire> for $ours {
            type Error = $crate::convert::Malformed;
            fn try_from(wire: $wire) -> Result<Self, Self::Error> {
                use $wire as Wire;
                match wire {
                    Wire::Unspecified => Err($crate::convert::Malformed {
                        field: $field,
                        reason: "it is not specified".to_owned(),
                    }),
                    $(Wire::$variant => Ok(Self::$variant),)*
                }
            }
        }

        impl From<$ours> for $wire {
            fn from(ours: $ours) -> Self {
                use $ours as Ours;
                match ours {
                    $(Ours::$variant => Self::$variant,)*
                }
            }
        }
    )*};
}
use enums;

impl From<v1::Stamp> for Stamp {
    fn from(wire: v1::Stamp) -> Stamp {
        Stamp { at: Timestamp(wire.at_millis), wall: WallTime(wire.wall_millis) }
    }
}

impl From<&Stamp> for v1::Stamp {
    fn from(stamp: &Stamp) -> v1::Stamp {
        v1::Stamp { at_millis: stamp.at.0, wall_millis: stamp.wall.0 }
    }
}

impl From<v1::Resources> for Resources {
    fn from(wire: v1::Resources) -> Resources {
        Resources { cpu_nanos: wire.cpu_nanos, memory_bytes: wire.memory_bytes }
    }
}

impl From<&Resources> for v1::Resources {
    fn from(resources: &Resources) -> v1::Resources {
        let Resources { cpu_nanos, memory_bytes } = *resources;
        v1::Resources { cpu_nanos, memory_bytes }
    }
}

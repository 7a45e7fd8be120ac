//! What both daemons need of the world outside: tasks, clocks, certificates, connections, and
//! bytes at rest. Everything that can fail for reasons of the machine's begins here.

pub mod clock;
pub mod codec;
pub mod files;
pub mod identity;
pub mod net;
pub mod sealing;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod threads;
pub mod tls;

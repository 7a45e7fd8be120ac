//! What the tests of the whole share: clusters on real hosts, and images made of this
//! workspace's programs.

pub mod cluster;
pub mod disk;
pub mod hosts;
pub mod images;
pub mod inprocess;
pub mod torture;

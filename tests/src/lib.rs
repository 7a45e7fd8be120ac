//! What the tests of the whole share: real hosts, and images made of this workspace's programs.

pub mod hosts;
pub mod images;

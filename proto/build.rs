//! Generates the wire types. protox reads the files, so no machine needs protoc.

use std::error::Error;

const FILES: [&str; 6] = [
    "skep/v1/types.proto",
    "skep/v1/control.proto",
    "skep/v1/dispatcher.proto",
    "skep/v1/ca.proto",
    "skep/v1/raft.proto",
    "skep/v1/local.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=skep");
    let descriptors = protox::compile(FILES, ["."])?;
    tonic_prost_build::configure().btree_map(".").compile_fds(descriptors)?;
    Ok(())
}

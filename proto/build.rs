//! Generates the wire types. protox reads the files, so no machine needs protoc.

use std::error::Error;

const FILES: [&str; 9] = [
    "skep/v1/types.proto",
    "skep/v1/files.proto",
    "skep/v1/volumes.proto",
    "skep/v1/networks.proto",
    "skep/v1/control.proto",
    "skep/v1/dispatcher.proto",
    "skep/v1/ca.proto",
    "skep/v1/raft.proto",
    "skep/v1/local.proto",
];

/// What holds contents or keys, which no log may show by mistake.
const HIDDEN: [&str; 5] = [
    ".skep.v1.CreateFileRequest",
    ".skep.v1.FileView",
    ".skep.v1.GetSealingKeyResponse",
    ".skep.v1.Files",
    ".skep.v1.DeliveredFile",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=skep");
    let descriptors = protox::compile(FILES, ["."])?;
    tonic_prost_build::configure().btree_map(".").skip_debug(HIDDEN).compile_fds(descriptors)?;
    Ok(())
}

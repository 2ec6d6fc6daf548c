//! Compiled definitions: an encoded `FileDescriptorSet`.

use std::{fs, path::Path};

use prost_reflect::DescriptorPool;

use crate::problem::Problem;

/// Reads a file as `protoc --descriptor_set_out` writes it.
pub(super) fn read(file: &Path) -> Result<DescriptorPool, Problem> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| {
        Problem::new(
            format!("--protoset {shown} cannot be read: {error}"),
            "give the path of a file that protoc --descriptor_set_out has written",
        )
    })?;
    DescriptorPool::decode(bytes.as_slice()).map_err(|error| {
        Problem::new(
            format!("--protoset {shown} is not a complete set of descriptors: {error}"),
            "write it with protoc --include_imports --descriptor_set_out=FILE",
        )
    })
}

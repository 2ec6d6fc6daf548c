//! Compiled definitions: an encoded `FileDescriptorSet`.

use std::{fs, path::Path};

use inrush_transport::Error;
use prost_reflect::DescriptorPool;

/// Reads a file that `protoc --descriptor_set_out` has written.
pub(super) fn read(file: &Path) -> Result<DescriptorPool, Error> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| {
        Error::new(
            format!("cannot read --protoset {shown}: {error}"),
            "pass the path of a file that protoc --descriptor_set_out has written",
        )
    })?;
    DescriptorPool::decode(bytes.as_slice()).map_err(|error| {
        Error::new(
            format!("--protoset {shown} is not a complete FileDescriptorSet: {error}"),
            "write it with protoc --include_imports --descriptor_set_out=FILE",
        )
    })
}

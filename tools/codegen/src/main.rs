//! Generates the Rust code of the protocols from their `.proto` files: `make generate`.
//!
//! The code is checked in, so that a build of Inrush needs neither protox nor prost's and tonic's generators. The test
//! below fails if it is out of date.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use prost::Message as _;

/// A set of `.proto` files and where the code that is generated from it is checked in.
struct Protocol {
    /// The folder that imports are relative to, seen from the root of the workspace.
    root: &'static str,
    /// The package, which is also the folder of its files below `root`.
    package: &'static str,
    /// The folder of the generated files, seen from the root of the workspace.
    output: &'static str,
    /// The file of the encoded descriptors beside the code, if server reflection needs them.
    descriptors: Option<&'static str>,
    /// The codec that clients and servers use, if it is not tonic's own.
    codec: Option<&'static str>,
}

const PROTOCOLS: [Protocol; 2] = [
    Protocol {
        root: "proto",
        package: "inrush.v1",
        output: "proto/src/generated",
        descriptors: Some("descriptors.bin"),
        codec: Some("crate::codec::SmallBuffers"),
    },
    Protocol {
        root: "loadtest/proto",
        package: "inrush.loadtest.v1",
        output: "loadtest/src/agents/generated",
        descriptors: None,
        codec: None,
    },
];

fn main() -> anyhow::Result<()> {
    for protocol in &PROTOCOLS {
        protocol.generate(&workspace().join(protocol.output))?;
    }
    Ok(())
}

impl Protocol {
    /// Writes the code, and the descriptors, into `output`.
    fn generate(&self, output: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(output)?;
        let root = workspace().join(self.root);
        let descriptors = protox::compile(self.files(&root)?, [&root])?;
        if let Some(name) = self.descriptors {
            fs::write(output.join(name), descriptors.encode_to_vec())?;
        }
        let mut generator =
            tonic_prost_build::configure().out_dir(output).bytes(format!(".{}", self.package));
        if let Some(codec) = self.codec {
            generator = generator.codec_path(codec);
        }
        generator.compile_fds(descriptors)?;
        Ok(())
    }

    /// The `.proto` files of the package, in the order of their names.
    fn files(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let folder = root.join(self.package.replace('.', "/"));
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "proto"));
        ensure!(!files.is_empty(), "no .proto files in {}", folder.display());
        files.sort();
        Ok(files)
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_code_is_current() {
        for protocol in &PROTOCOLS {
            let fresh = tempfile::tempdir().unwrap();
            protocol.generate(fresh.path()).unwrap();
            let checked_in = workspace().join(protocol.output);
            assert_eq!(names(&checked_in), names(fresh.path()), "files of {}", protocol.package);
            for name in names(fresh.path()) {
                let (old, new) = (fs::read(checked_in.join(&name)), fs::read(fresh.path().join(&name)));
                assert!(
                    old.unwrap() == new.unwrap(),
                    "{}/{name} is out of date: run `make generate`",
                    protocol.output
                );
            }
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
